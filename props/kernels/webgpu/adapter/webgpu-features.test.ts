/** Laws of what an adapter is asked for: modes, features as data, and that they change no result. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  dispose,
  evaluate,
  grad,
  key,
  matmul,
  mean,
  mul,
  normal,
  read,
  softmax,
  type Tensor,
} from "../../../../core/index.js";
import { openWebgpu, type WebgpuOptions } from "../../../../kernels/index.js";
import { featuresOf, type MatrixShape, NO_FEATURES, namesOf } from "../../../../kernels/webgpu/adapter/features.js";
import { findAll } from "../../../../kernels/webgpu/adapter/find.js";
import { MODES, modeOf } from "../../../../kernels/webgpu/adapter/modes.js";
import type { AdapterReport } from "../../../../kernels/webgpu/adapter/report.js";
import { profileOf } from "../../../../kernels/webgpu/profiles.js";
import { assertSame } from "../../../close.js";
import { presentDevices } from "../../../devices.js";

test("TAUGRAD_WEBGPU names a mode; the tests' own word stands beside it; any other is refused by name", () => {
  assert.equal(modeOf(""), "full");
  assert.equal(modeOf("required"), "full");
  for (const mode of MODES)
    for (const said of [mode, `required,${mode}`, `${mode} required`]) assert.equal(modeOf(said), mode);
  assert.throws(
    () => modeOf("required,plane"),
    /TAUGRAD_WEBGPU "plane" is not known: use plain, full, fast or required/,
  );
  assert.throws(() => modeOf("plain,fast"), /"plain,fast": use one of/);
});

/** What lavapipe 26 says of itself once asked; of a GPU it is the same but for names and sizes. */
const report: AdapterReport = {
  ...{ vendor: "mesa", architecture: "software", device: "llvmpipe", description: "llvmpipe", software: true },
  ...{ isFallbackAdapter: true, subgroupMinSize: 8, subgroupMaxSize: 8 },
  subgroupMatrixConfigs: [{ componentType: "f16", resultComponentType: "f32", M: 8, N: 16, K: 32 }],
  features: [
    "chromium-experimental-subgroup-matrix",
    "shader-f16",
    "subgroups",
    "timestamp-query",
    "depth-clip-control",
  ],
  limits: {
    ...{ maxBufferSize: 2 ** 30, maxStorageBufferBindingSize: 2 ** 27, maxStorageBuffersPerShaderStage: 16 },
    ...{
      maxComputeWorkgroupsPerDimension: 65535,
      maxComputeWorkgroupStorageSize: 32768,
      minStorageBufferOffsetAlignment: 16,
    },
    minUniformBufferOffsetAlignment: 16,
  },
};

test("features are what the adapter lists, and a device is asked for those and no others", () => {
  const shape = { m: 8, n: 16, k: 32, componentType: "f16", resultType: "f32" };
  assert.deepEqual(featuresOf(report), {
    f16: true,
    subgroups: true,
    sizedSubgroups: false,
    matrices: [shape],
    timestamps: true,
  });
  fc.assert(
    fc.property(fc.subarray([...report.features]), (features) => {
      const asked = namesOf(featuresOf({ ...report, features }));
      assert.deepEqual([...asked].sort(), features.filter((name) => name !== "depth-clip-control").sort());
    }),
  );
});

test("plain has no feature; what is done without is not there, and the rest is", () => {
  assert.deepEqual(profileOf(report, "plain").features, NO_FEATURES);
  assert.equal(profileOf(report, "plain").subgroup, undefined);
  const { features, subgroup } = profileOf(report, "full", { without: ["matrices"] });
  assert.deepEqual(features, { f16: true, subgroups: true, sizedSubgroups: false, matrices: [], timestamps: true });
  assert.equal(subgroup, 8);
});

if ((await presentDevices()).includes("webgpu")) {
  const numbers = async (options: WebgpuOptions): Promise<number[]> => {
    const device = await openWebgpu(options);
    try {
      const [x, w] = [normal(key(1), [13, 40]), normal(key(2), [40, 24])];
      const loss = (w: Tensor) => mean(mul(softmax(matmul(x, w)), normal(key(3), [13, 24])));
      // A software adapter takes seconds for each kernel for GPUs: no gradient there.
      const wanted = options.kernels === "gpu" ? [loss(w)] : [loss(w), grad(loss)(w)];
      const made = evaluate(wanted, device);
      const all = (await Promise.all(made.map((one) => read(one)))).flatMap((some) => [...some].map(Number));
      dispose(made);
      return all;
    } finally {
      await device.close();
    }
  };
  const none = ["f16", "subgroups", "sizedSubgroups", "matrices", "timestamps"] as const;

  for (const kernels of ["gpu", "cpu"] as const)
    test(`every mode gives the same bits by the same kernels; features change roundings alone: kernels for ${kernels} [webgpu]`, async () => {
      const plain = await numbers({ kernels, mode: "plain" });
      assert.ok(plain.some((value) => value !== 0));
      for (const mode of ["full", "fast"] as const) assertSame(await numbers({ kernels, mode, without: none }), plain);
      for (const [i, value] of (await numbers({ kernels, mode: "full" })).entries())
        assert.ok(Math.abs(value - plain[i]) <= 1e-5 * Math.max(0.01, Math.abs(plain[i])), `${value} for ${plain[i]}`);
    });

  test("a device has the features that its adapter lists, and each can be used [webgpu]", async (context) => {
    const [{ adapter, report }] = await findAll("full");
    const features = featuresOf(report);
    context.diagnostic(JSON.stringify(features));
    const device = await adapter.requestDevice({ requiredFeatures: namesOf(features) as GPUFeatureName[] });
    const codes = [
      ...(features.f16 ? ["enable f16; var<private> x: f16; @compute @workgroup_size(1) fn main() { x = 1h; }"] : []),
      ...features.matrices.filter(({ componentType }) => componentType.startsWith("f")).map(matrixProgram),
    ];
    for (const code of codes) {
      const module = device.createShaderModule({ code });
      await device.createComputePipelineAsync({ layout: "auto", compute: { module } }); // throws where it does not compile
    }
    device.destroy();
  });
}

/** A multiplication of two matrices of zeros. */
function matrixProgram({ m, n, k, componentType, resultType }: MatrixShape): string {
  const lanes = 128; // a multiple of every subgroup's size
  return `enable f16; enable subgroups; enable chromium_experimental_subgroup_matrix;
    @group(0) @binding(0) var<storage, read_write> out: array<${resultType}>;
    @compute @workgroup_size(${lanes}) fn main() {
      let a = subgroup_matrix_left<${componentType}, ${k}, ${m}>();
      let b = subgroup_matrix_right<${componentType}, ${n}, ${k}>();
      let c = subgroup_matrix_result<${resultType}, ${n}, ${m}>();
      subgroupMatrixStore<row_major>(&out, 0, subgroupMatrixMultiplyAccumulate(a, b, c), ${n});
    }`;
}
