/** Laws of submits: no more planned work at once than a desktop bears, in order, and the same numbers. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { matmul, rmsnorm, sum, type Tensor } from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { openWebgpu } from "../../../kernels/index.js";
import { profileFor } from "../../../kernels/webgpu/planners.js";
import { prepare } from "../../../kernels/webgpu/prepare.js";
import { secondsOf, slicesOf } from "../../../kernels/webgpu/slices.js";
import { assertSame, run } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { eighths } from "../../generators/generators.js";
import { partsAreTheCall } from "../../generators/in-parts.js";
import { webgpuCheck } from "./webgpu-variants.js";

test("each submit is as full as may be: one kernel more would be too much", () => {
  const work = fc.array(fc.integer({ min: 0, max: 40 }));
  fc.assert(
    fc.property(work, fc.integer({ min: 1, max: 30 }), (costs, most) => {
      const slices = slicesOf(costs, most);
      assert.equal(slices.length, costs.length);
      const sums: number[] = [];
      const counts: number[] = [];
      costs.forEach((cost, i) => {
        const slice = slices[i];
        assert.ok(slice === sums.length || slice === sums.length - 1, "in order");
        if (slice === sums.length) {
          if (i > 0) assert.ok(sums[slice - 1] + cost > most, "it would have had room");
          sums.push(0);
          counts.push(0);
        }
        sums[slice] += cost;
        counts[slice]++;
      });
      assert.ok(sums.every((total, i) => total <= most || counts[i] === 1));
    }),
  );
});

test("planned seconds: a product of twice the size takes twice as long, and its kernels share them", async () => {
  const profile = await profileFor("nvidia");
  const secondsFor = (m: number) => {
    const inputs = [placeholder([m, 1024], "f32"), placeholder([1024, 2048], "f32")];
    const { plan, stepOf } = prepare({ inputs, outputs: [matmul(inputs[0], inputs[1])] }, profile);
    return secondsOf(plan, stepOf).reduce((total, own) => total + own, 0);
  };
  assert.equal(secondsFor(2048), 2 * secondsFor(1024));
});

const f = (x: Tensor, w: Tensor): Tensor[] => {
  const y = matmul(x, w);
  const z = rmsnorm(matmul(y, w), sum(x, [0]), 1e-6);
  return [z, sum(matmul(z, w))];
};

if ((await presentDevices()).includes("webgpu"))
  for (const kernels of ["gpu", "cpu"] as const)
    test(`a submit a kernel changes no bit: kernels for ${kernels} [webgpu]`, async () => {
      const [whole, sliced] = [await openWebgpu({ kernels }), await openWebgpu({ kernels, sliceSeconds: 0 })];
      after(async () => {
        for (const device of [whole, sliced]) await device.close();
      });
      const given: [Tensor, Tensor] = [eighths([8, 16], 1), eighths([16, 16], 2)];
      const want = await run(f, given, whole);
      for (const [i, numbers] of (await run(f, given, sliced)).entries()) assertSame(numbers, want[i]);
    });

webgpuCheck("a call in parts is the call", (device) => partsAreTheCall(device), ["gpu"]);
