/** Laws of lowering a program: alike steps share their kernels, as if each had been lowered alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, gather, matmul, mul, rmsnorm, scatterAdd, sum, type Tensor } from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { lower } from "../../../kernels/webgpu/kernels/lower.js";
import { profileFor } from "../../../kernels/webgpu/planners.js";
import { boundsOf, prepare } from "../../../kernels/webgpu/prepare.js";
import type { Kernel } from "../../../kernels/webgpu/wgsl/module.js";
import { createWindows, type Windows } from "../../../kernels/webgpu/windows/windows.js";
import { tries } from "../../reach.js";

const [nvidia, lavapipe] = [await profileFor("nvidia"), await profileFor("lavapipe")];

/** What a kernel does, with the memory that its bindings mean. */
const meant = ({ code, params, workgroups, bindings }: Kernel, windows: Windows) => ({
  ...{ code, params, workgroups },
  bindings: bindings.map((binding) => windows.at(binding) ?? binding),
});

test("alike steps share their kernels, and bind what they would bind alone", () => {
  const layer = (x: Tensor, [w, norm]: readonly Tensor[], at: Tensor): Tensor => {
    const y = rmsnorm(add(x, matmul(x, w)), norm, 1e-6);
    return add(scatterAdd(at, gather(y, at), y.shape[0]), mul(sum(y, [0]), y));
  };
  fc.assert(
    fc.property(
      fc.record({
        layers: fc.integer({ min: 2, max: 4 }),
        rows: fc.integer({ min: 1, max: 40 }),
        kib: fc.constantFrom(1, 4, 64),
      }),
      fc.boolean(),
      ({ layers, rows, kib }, wide) => {
        const profile = wide ? nvidia : lavapipe;
        const limits = { ...profile.limits, maxStorageBufferBindingSize: 1024 * kib };
        const [x, at] = [placeholder([rows, 16], "f32"), placeholder([rows], "i32")];
        const weights = Array.from({ length: layers }, () => [placeholder([16, 16], "f32"), placeholder([16], "f32")]);
        const out = weights.reduce((y, own) => layer(y, own, at), x);
        const graph = { inputs: [x, at, ...weights.flat()], outputs: [out] };
        const { plan, kernels, windows, scratchBytes } = prepare(graph, { ...profile, limits });
        const bounds = boundsOf(limits);
        const own = createWindows(plan.buffers, bounds);
        const words: number[] = [];
        const scratch = (index: number, count: number) => {
          if (count > 0) words[index] = Math.max(words[index] ?? 0, count);
          return 0;
        };
        const alone = plan.steps.flatMap((step) =>
          lower(step, { ...profile, limits, windows: own, mostBindings: bounds.bindings, scratch }),
        );
        assert.deepEqual(
          kernels.map((kernel) => meant(kernel, windows)),
          alone.map((kernel) => meant(kernel, own)),
        );
        assert.deepEqual(
          scratchBytes,
          Array.from(words, (count = 0) => 4 * count),
        );
      },
    ),
    { numRuns: tries(20) },
  );
});
