/** Names of NumPy, JAX and torch give torch's values, and its gradients, on every device: one program a kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as t from "../../library/index.js";
import { assertClose, reference, run } from "../close.js";
import { goldenJson, propsText } from "../golden/files.js";
import { webgpuCheck } from "../kernels/webgpu/webgpu-variants.js";
import { check } from "../law.js";
import { reach } from "../reach.js";
import { gradients, type Inputs, values } from "./values.js";

interface Numbers {
  readonly shape: readonly number[];
  /** NaN and infinities as text. */
  readonly data: readonly (number | string)[];
  readonly dtype?: t.DType;
}
const golden = goldenJson<{
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly values: Readonly<Record<string, Readonly<Record<string, Numbers>>>>;
}>("library.json");

const inputs: Inputs = Object.fromEntries(
  Object.entries(golden.inputs).map(([name, { shape, data, dtype }]) => [
    name,
    t.tensor(Float64Array.from(data, Number), shape, dtype ?? "f32"),
  ]),
);

/** One program for all calls; each result has the wanted shape and numbers. */
const agree = async (
  calls: Readonly<Record<string, (given: Inputs) => t.Tensor>>,
  wanted: Readonly<Record<string, Numbers>>,
  device: t.Device,
): Promise<void> => {
  const names = Object.keys(wanted);
  assert.deepEqual(Object.keys(calls).sort(), [...names].sort());
  const shapes: t.Shape[] = [];
  const all = (given: Inputs): t.Tensor[] => {
    const made = names.map((name) => calls[name](given));
    shapes.push(...made.map(({ shape }) => shape));
    return made;
  };
  const got = await run(all, [inputs], device);
  names.forEach((name, i) => {
    assert.deepEqual(shapes[i], wanted[name].shape, `${name}: shape`);
    wanted[name].data.forEach((value, at) => {
      const want = Number(value);
      assertClose([got[i][at]], [want], { rel: 1e-5, abs: 4e-6 }, `${name}[${at}]`);
    });
  });
};

/** The gradient of Σ y·cos(0, 1, 2, …) by each argument, numbered. */
const slopes = Object.fromEntries(
  Object.entries(gradients).flatMap(([name, [f, at]]) =>
    at.map((_, which) => [
      `${name}${which}`,
      (given: Inputs): t.Tensor => {
        const args = at.map((x) => (typeof x === "string" ? given[x] : x));
        const loss = (...x: t.Tensor[]) => {
          const y = f(...x);
          return t.sum(t.mul(y, t.reshape(t.cos(t.iota([t.sizeOf(y.shape)], 0, "f32")), y.shape)));
        };
        return t.grad((x: t.Tensor[]) => loss(...x))(args)[which];
      },
    ]),
  ),
);

/**
 * Compositions of ops that have laws of their own on webgpu: a software adapter, which compiles for seconds, tries those alone that
 * are about the devices' own numbers, and all of them, with both sets of kernels, with TAUGRAD_REACH=10.
 */
const isFar = reach >= 10;
const near: Readonly<Record<string, readonly t.Device["name"][]>> = {
  element: ["reference", "cpu", "webgpu"],
  index: ["reference", "cpu", "webgpu"],
  gradients: ["reference"],
};
for (const [kind, calls] of Object.entries({ ...values, gradients: slopes })) {
  const law = (device: t.Device) => agree(calls, golden.values[kind], device);
  check(`${kind}: torch's values`, law, isFar ? undefined : (near[kind] ?? ["reference", "cpu"]));
  if (isFar) webgpuCheck(`${kind}: torch's values`, law, ["gpu"]);
}

test("every call over a batch of examples gives what each gives alone", async () => {
  /** Other numbers of the same kind: matrices that are factored stay what they are. */
  const second = (name: string, x: t.Tensor): t.Tensor =>
    x.dtype !== "f32" ? x : name === "spd" || name === "sq" ? t.mul(x, 1.5) : t.add(x, 0.01);
  const others = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, second(name, x)]));
  const two = Object.fromEntries(Object.keys(inputs).map((name) => [name, t.stack([inputs[name], others[name]])]));
  for (const calls of Object.values(values)) {
    const all = (given: Inputs): t.Tensor[] => Object.values(calls).map((call) => call(given));
    const alone = [inputs, others].map(all);
    const wanted = await run(() => alone[0].map((x, i) => t.stack([x, alone[1][i]])), [], reference);
    const got = await run(() => t.vmap(all)(two), [], reference);
    Object.keys(calls).forEach((name, i) => {
      assertClose(got[i], wanted[i], { abs: 1e-9 }, name);
    });
  }
});

test("every call reads bf16 and f16 as the f32 that they are; what factors matrices asks for f32 itself", async () => {
  const cast = (dtype: t.DType) => (given: Inputs) =>
    Object.fromEntries(Object.entries(given).map(([name, x]) => [name, x.dtype === "f32" ? t.cast(x, dtype) : x]));
  for (const half of ["bf16", "f16"] as const)
    for (const calls of Object.values(values)) {
      const halves = cast(half)(inputs);
      const floats = Object.fromEntries(
        Object.entries(halves).map(([name, x]) => [name, t.cast(x, inputs[name].dtype)]),
      );
      /** Some give back a half: what it holds counts. */
      const all = (given: Inputs) =>
        Object.entries(calls).flatMap(([name, call]) => {
          try {
            const y = call(given);
            return [{ name, y: y.dtype === half ? t.cast(y, "f32") : y }];
          } catch (error) {
            assert.match(String(error), /is no batch of (square )?f32 matrices.*\n {2}hint: cast/, name);
            return [];
          }
        });
      const got = all(halves);
      const read = new Set(got.map(({ name }) => name));
      const wanted = all(floats).filter(({ name }) => read.has(name));
      const numbers = await run(() => [got, wanted].map((list) => list.map(({ y }) => y)), [], reference);
      got.forEach(({ name, y }, i) => {
        assert.equal(y.dtype, wanted[i].y.dtype, name);
        assertClose(numbers[i], numbers[got.length + i], { abs: 1e-12 }, `${name} of ${half}`);
      });
    }
});

test("no name of the library is forgotten: each has values, or a law of its own", async () => {
  const core = Object.keys(await import("../../core/index.js"));
  const own = Object.keys(t).filter((name) => !core.includes(name));
  const text = ["values.ts", "library.test.ts", "order.test.ts", "products.test.ts"]
    .map((file) => propsText("library", file))
    .join("\n");
  const missing = own.filter((name) => !new RegExp(`\\bt\\.${name}\\b`).test(text));
  assert.deepEqual(missing, []);
});
