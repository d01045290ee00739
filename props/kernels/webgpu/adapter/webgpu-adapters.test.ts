/** Laws of finding adapters: names, numbers, equal ones, hidden GPUs, and the doctor's report on machines that are not here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { describe } from "../../../../cli/commands/doctor.js";
import { describeAdapters, openWebgpu } from "../../../../kernels/index.js";
import { choose } from "../../../../kernels/look.js";
import { open } from "../../../../kernels/open.js";
import { drivers } from "../../../../kernels/platform/node/drivers.js";
import type { Machine } from "../../../../kernels/platform/platform.js";
import { namesIn, reached } from "../../../../kernels/webgpu/adapter/dawn.js";
import { alikeHints, missingGpu } from "../../../../kernels/webgpu/adapter/describe.js";
import type { Features } from "../../../../kernels/webgpu/adapter/features.js";
import { chosenOf } from "../../../../kernels/webgpu/adapter/find.js";
import type { AdapterReport } from "../../../../kernels/webgpu/adapter/report.js";
import { missingOf, unlockedBy } from "../../../../kernels/webgpu/adapter/unlocked.js";
import { unitsOf } from "../../../../kernels/webgpu/kernels/matmul/units.js";
import { profileFor } from "../../../../kernels/webgpu/planners.js";
import { profileOf } from "../../../../kernels/webgpu/profiles.js";
import { presentDevices } from "../../../devices.js";

const report = (name: string, own: Partial<AdapterReport> = {}): AdapterReport => ({
  ...{ name, alike: 1, vendor: "nvidia", architecture: "hopper", device: name.toLowerCase(), description: "570.1" },
  ...{ software: false, isFallbackAdapter: false, subgroupMinSize: 32, subgroupMaxSize: 32 },
  ...{ subgroupMatrixConfigs: [], features: ["shader-f16", "subgroups", "timestamp-query"] },
  limits: { maxComputeWorkgroupStorageSize: 32_768 },
  ...own,
});
const swiftshader = report("SwiftShader Device", { vendor: "google", software: true, features: ["subgroups"] });

const machine = (env: Machine["env"], paths: readonly string[], closed: readonly string[] = []): Machine => ({
  ...{ platform: "linux", home: "/home/someone", loads: () => true },
  env: { VK_DRIVER_FILES: "/icd.json", ...env },
  exists: (path) => path === "/icd.json" || paths.includes(path),
  opens: (path) => !closed.includes(path),
  names: (folder) => paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
});

const words = fc.stringMatching(/^[A-Za-z0-9 ()',.-]{1,12}$/);

test("Dawn's list of adapters is read name by name, whatever is in a name", () => {
  fc.assert(
    fc.property(fc.array(words), (names) => {
      const lines = names.map((name) => ` * backend: 'vulkan', name: '${name}'`);
      assert.deepEqual(namesIn(["no suitable backends found", "Available adapters:", ...lines, ""].join("\n")), names);
    }),
  );
  assert.deepEqual(namesIn("no suitable backends found"), []);
});

test("a name reaches the first adapter whose name holds it: itself, unless another comes before", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("RTX 4090", "RTX 4090 D", "RTX 40", "H100"), { minLength: 1 }), (names) => {
      for (const [i, name] of names.entries()) {
        const at = reached(names, i);
        assert.ok(at <= i && names[at].includes(name) && !names.slice(0, at).some((other) => other.includes(name)));
      }
    }),
  );
});

test("an adapter is chosen by number or by a part of its name; others are refused with the list", () => {
  const all = [report("NVIDIA H100"), report("NVIDIA H100 PCIe"), swiftshader];
  for (const [i, { name = "" }] of all.entries()) {
    assert.equal(chosenOf(all, i), i);
    assert.equal(chosenOf(all, name), i); // a whole name, though it may be part of another
  }
  assert.equal(chosenOf(all, "swift"), 2);
  assert.equal(chosenOf(all, "pcie"), 1);
  assert.throws(
    () => chosenOf(all, "h100"),
    /"h100": several are called so: 0: NVIDIA H100 \(nvidia\); 1: NVIDIA H100 PCIe/,
  );
  for (const wanted of [3, -1, "radeon"])
    assert.throws(
      () => chosenOf(all, wanted),
      /there is none; there are 0: NVIDIA H100 \(nvidia\); 1: NVIDIA H100 PCIe \(nvidia\); 2: SwiftShader Device/,
    );
});

test("of equal GPUs the second is refused with a hint of its own, which doctor gives too", () => {
  const two = [report("NVIDIA H100", { alike: 2 })];
  assert.equal(chosenOf(two, "h100"), 0);
  assert.throws(() => chosenOf(two, 1), /docker run --gpus device=1/);
  assert.throws(
    () => chosenOf(two, 2),
    (error: Error) => !error.message.includes("docker"),
  );
  assert.match(alikeHints(two).join(), /^2 × NVIDIA H100 \(nvidia\): .*process a GPU/);
  assert.deepEqual(alikeHints([report("NVIDIA H100")]), []);
});

test("a GPU that Vulkan does not show is told of, each kind with its own hint", () => {
  const nvidia = ["/dev/nvidiactl"];
  for (const [env, says] of [
    [{ NVIDIA_DRIVER_CAPABILITIES: "compute,utility" }, /NVIDIA_DRIVER_CAPABILITIES=compute,utility\).*=all/],
    [{ NVIDIA_VISIBLE_DEVICES: "all" }, /container.*without its Vulkan driver/],
    [{ NVIDIA_DRIVER_CAPABILITIES: "all" }, /nvidia_icd\.json/],
    [{}, /nvidia_icd\.json/],
  ] as const) {
    assert.match(drivers.hiddenGpu(machine(env, nvidia)) ?? "", says);
    assert.match(drivers.whyNoAdapter(machine(env, nvidia)), says);
    assert.match(missingGpu([swiftshader], machine(env, nvidia)) ?? "", says);
    assert.equal(missingGpu([swiftshader, report("NVIDIA H100")], machine(env, nvidia)), undefined);
  }
  const node = "/dev/dri/renderD128";
  assert.match(drivers.hiddenGpu(machine({}, [node], [node])) ?? "", /may not open \(\/dev\/dri\/renderD128\).*group/);
  assert.match(drivers.hiddenGpu(machine({}, [node])) ?? "", /mesa-vulkan-drivers/);
  assert.equal(drivers.hiddenGpu(machine({}, [])), undefined);
  assert.equal(drivers.whyNoAdapter(machine({}, [])), "no usable GPU driver was found");
  assert.match(
    drivers.whyNoAdapter({ ...machine({}, nvidia), loads: () => false }),
    /libvulkan\.so\.1\) is not installed; .*NVIDIA/,
  );
});

test("what a toggle unlocks is what is not there without it; what is missing has a reason", async () => {
  const shape = { m: 16, n: 16, k: 16, componentType: "f16", resultType: "f32" };
  const all: Features = {
    ...{ f16: true, subgroups: true, sizedSubgroups: true },
    ...{ matrices: [shape], timestamps: true },
  };
  assert.deepEqual(
    unlockedBy(
      all,
      new Map([
        ["a", { ...all, f16: false, matrices: [] }],
        ["b", { ...all, matrices: [] }],
        ["c", all],
      ]),
    ),
    [
      { toggle: "a", gives: ["f16", "f16→f32 16×16×16"] },
      { toggle: "b", gives: ["f16→f32 16×16×16"] },
      { toggle: "c", gives: [] },
    ],
  );
  const config = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 };
  const whole = report("NVIDIA H100", {
    features: ["shader-f16", "subgroups", "timestamp-query", "chromium-experimental-subgroup-matrix"],
    subgroupMatrixConfigs: [config],
  });
  assert.deepEqual(missingOf(whole, "full", true), []);
  assert.equal(missingOf(whole, "plain", true).length, 4);
  assert.match(
    missingOf({ ...whole, subgroupMatrixConfigs: [{ ...config, componentType: "i8" }] }, "full", false)[0].why,
    /shapes of i8 alone/,
  );
  const { limits } = await profileFor("nvidia");
  const small = { ...whole, limits: { maxComputeWorkgroupStorageSize: 8192 } };
  assert.deepEqual(
    [whole, small].map((of) => unitsOf(profileOf({ ...of, limits: { ...limits, ...of.limits } }))),
    [{ shape, lanes: 32, varies: false }, undefined],
  );
  assert.match(missingOf(small, "full", false)[0].why, /no kernel is made of their shapes in 8192 bytes/);
  assert.deepEqual(
    missingOf(swiftshader, "full", false).map(({ feature }) => feature),
    ["f16", "subgroup matrices of f16", "timestamps"],
  );
});

test("the doctor's report on a container whose GPU has no Vulkan driver: what auto takes, and why not the GPU", () => {
  const hidden = missingGpu([swiftshader], machine({ NVIDIA_DRIVER_CAPABILITIES: "compute" }, ["/dev/nvidiactl"]));
  const auto = choose([swiftshader], undefined, hidden);
  assert.equal(auto.device, "cpu");
  assert.match(auto.why, /only WebGPU adapter is software.*SwiftShader.*NVIDIA_DRIVER_CAPABILITIES=all/);
  assert.equal(choose([report("NVIDIA H100"), swiftshader], undefined, undefined).device, "webgpu");
  const explained = {
    ...swiftshader,
    unlocked: [
      { toggle: "allow_unsafe_apis", gives: ["f16→f32 8×8×8"] },
      { toggle: "timestamp_quantization", gives: [] },
    ],
    missing: missingOf(swiftshader, "full", false),
  };
  const text = describe({
    ...{ platform: "linux-x64", node: "v20", mode: "full", adapters: [explained], problem: undefined },
    ...{ hints: [hidden ?? ""], auto, bits: "native" },
  });
  for (const line of [
    /^mode +full$/m,
    /^adapter 0 {2}SwiftShader Device \(google, hopper\), software$/m,
    /^ +allow_unsafe_apis +unlocks f16→f32 8×8×8$/m,
    /^ +timestamp_quantization +off: timestamps as the GPU counts them; unlocks no feature here$/m,
    /^ +no f16 +the driver does not offer it/m,
    /^hint +this container has an NVIDIA GPU without its Vulkan driver/m,
    /^auto +cpu: /m,
  ])
    assert.match(text, line);
});

test("an adapter for a device that has none is refused", async () => {
  for (const name of ["cpu", "reference"] as const)
    await assert.rejects(open(name, { adapter: 0 }), /adapter 0 was asked for.*device (cpu|reference) has none/);
});

if ((await presentDevices()).includes("webgpu"))
  test("every adapter of this machine opens by its number and by its name, and is that one [webgpu]", async () => {
    const all = await describeAdapters();
    for (const [i, { name }] of all.entries()) {
      assert.ok(name !== undefined && name !== "", "Dawn lists names");
      for (const adapter of [i, name]) {
        const device = await openWebgpu({ adapter });
        assert.match(device.description, new RegExp(name.replace(/[^a-zA-Z0-9]/g, ".")));
        await device.close();
      }
    }
    await assert.rejects(openWebgpu({ adapter: "no such adapter" }), /there is none; there are 0: /);
    await assert.rejects(open("auto", { adapter: all.length + 99 }), /adapter \d+: there is none/);
  });
