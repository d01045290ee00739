/** Law 30: offline merging of tensors. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { key } from "../../../core/index.js";
import type { MergeMethod } from "../../../optim/index.js";
import { assertClose, assertSame } from "../../close.js";
import { check, law } from "../../law.js";
import { densities, eighths, merge, methods, ofDeltas, sources, vectors, weights } from "./merge-values.js";

const some = { effort: 0.5 };

law(
  "law 30: linear(w, 1−w) ≡ task arithmetic with the same weights",
  fc.tuple(vectors, vectors, vectors, eighths(-4, 12)),
  async ([a, b, base, w], device) => {
    const parts = [
      { theta: a, weight: w },
      { theta: b, weight: 1 - w },
    ];
    const linear = await merge(parts, undefined, { method: "linear" }, device);
    assertClose(await merge(parts, base, { method: "task_arithmetic" }, device), linear, { abs: 2e-6 });
  },
  some,
);

law(
  "law 30: identical models merge to themselves, where weights are divided by or sum to 1",
  fc.tuple(vectors, vectors, eighths(1, 8), eighths(1, 8)),
  async ([theta, base, v, w], device) => {
    const [free, one] = [
      [v, w],
      [v, 1 - v],
    ].map((pair) => pair.map((weight) => ({ theta, weight })));
    for (const method of ["linear", "ties"] as const)
      assertClose(await merge(free, base, { method }, device), theta, { abs: 1e-6 }, method);
    for (const method of ["task_arithmetic", "dare_linear"] as const)
      assertClose(await merge(one, base, { method }, device), theta, { abs: 1e-6 }, method);
  },
  some,
);

law(
  "law 30: models equal to the base merge to the base, whatever their weights and densities",
  fc.tuple(
    vectors,
    fc.array(fc.tuple(weights, densities), { minLength: 1, maxLength: 3 }),
    fc.constantFrom(...ofDeltas),
  ),
  async ([base, shares, method], device) => {
    const parts = shares.map(([weight, density]) => ({ theta: base, weight, density }));
    assertSame(await merge(parts, base, { method, key: key(1) }, device), base, method);
  },
  some,
);

law(
  "law 30: DARE at density 1 ≡ task arithmetic, and dare_ties ≡ ties without normalizing",
  fc.tuple(sources, vectors),
  async ([given, base], device) => {
    const parts = given.map((s) => ({ ...s, density: 1 }));
    const plain = await merge(parts, base, { method: "task_arithmetic" }, device);
    assertSame(await merge(parts, base, { method: "dare_linear" }, device), plain);
    const ties = await merge(parts, base, { method: "ties", normalize: false }, device);
    assertSame(await merge(parts, base, { method: "dare_ties" }, device), ties);
  },
  some,
);

law(
  "law 30: weight 0 leaves the others unchanged when not normalizing",
  fc.tuple(sources, vectors, vectors, fc.constantFrom(...methods)),
  async ([parts, theta, base, method], device) => {
    const options = { method, normalize: false, key: key(3) };
    const more = [...parts, { theta, weight: 0, density: 0.5 }];
    assertSame(await merge(more, base, options, device), await merge(parts, base, options, device), method);
  },
  some,
);

check("law 30, trap: ties normalized applies a lone survivor's full δ, whatever its weight", async (device) => {
  const base = new Array(2).fill(0);
  const parts = [
    { theta: [4, 0.5], weight: 0.125, density: 0.5 },
    { theta: [0.5, 3], weight: 0.5, density: 0.5 },
  ];
  assert.deepEqual(await merge(parts, base, { method: "ties" }, device), [4, 3]);
  assert.deepEqual(await merge(parts, base, { method: "ties", normalize: false }, device), [0.5, 1.5]);
  // … so that, unlike elsewhere, weight 0 does not leave the others unchanged.
  const idle = { theta: [8, 8], weight: 0, density: 1 };
  assert.deepEqual(await merge([...parts, idle], base, { method: "ties" }, device), [4, 3]);
  const thin = [parts[0], { theta: base, weight: 0.5 }];
  assertClose(await merge(thin, undefined, { method: "linear" }, device), [0.8, 0.1], { abs: 1e-6 });
});

law(
  "law 30: density 0 gives the base, never NaN",
  fc.tuple(
    vectors,
    vectors,
    fc.constantFrom("ties", "dare_linear", "dare_ties" as const),
    fc.constantFrom(true, false, "l1", "density" as const),
  ),
  async ([theta, base, method, rescale], device) => {
    const parts = [{ theta, weight: 0.5, density: 0 }];
    for (const normalize of [true, false])
      assertSame(
        await merge(
          parts,
          base,
          { method: method as MergeMethod, rescale: rescale as boolean, normalize, key: key(1) },
          device,
        ),
        base,
        String(method),
      );
  },
  some,
);
