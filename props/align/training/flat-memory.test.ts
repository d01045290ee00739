/**
 * Laws of long runs: memory stays as it is, and a repeated program meets the same buffers.
 * The slow campaign: TAUGRAD_STEPS=10000 node props/run.mjs flat-memory
 */
import assert from "node:assert/strict";
import type { Device } from "../../../core/index.js";
import * as t from "../../../core/index.js";
import { eighths } from "../../generators/generators.js";
import { trainTiny } from "../../generators/tiny-training.js";
import { webgpuCheck } from "../../kernels/webgpu/webgpu-variants.js";
import { check } from "../../law.js";

const STEPS = Number(process.env.TAUGRAD_STEPS ?? 200);
/** Wide kernels are slow on software adapters. */
const FEWER = Number(process.env.TAUGRAD_STEPS ?? 40);

/** Two layers, trained on batches of changing length with accumulated gradients; what the device holds after each step. */
const held = async (device: Device, steps: number): Promise<string[]> => {
  type Weights = { readonly a: t.Tensor; readonly b: t.Tensor };
  const slopes = t.grad((w: Weights, x: t.Tensor) => t.sum(t.square(t.matmul(t.tanh(t.matmul(x, w.a)), w.b))));
  const first = t.compile((w: Weights, x: t.Tensor) => slopes(w, x), device);
  const more = t.compile(
    (w: Weights, x: t.Tensor, carry: Weights) => t.treeZip(([g, c]) => t.add(c, g), slopes(w, x), carry),
    device,
    { donate: [2] },
  );
  const step = t.compile(
    (w: Weights, carry: Weights) => t.treeZip(([p, c]) => t.sub(p, t.mul(0.001, c)), w, carry),
    device,
    { donate: [0, 1] },
  );
  let weights: Weights = t.upload({ a: eighths([20, 30], 1), b: eighths([30, 5], 2) }, device);
  const seen: string[] = [];
  for (let i = 0; i < steps; i++) {
    const batches = [0, 1, 2].map((n) => t.upload(eighths([8 << ((i + n) % 3), 20], n), device));
    let carry = first(weights, batches[0]);
    for (const x of batches.slice(1)) carry = more(weights, x, carry);
    weights = step(weights, carry);
    t.dispose(batches);
    if (i % 8 === 7) await t.read(weights.b);
    const { liveBuffers, liveBytes, keptBytes, kernels, programs, bindings } = device.stats();
    seen.push(JSON.stringify({ liveBuffers, liveBytes, keptBytes, kernels, programs, bindings }));
  }
  t.dispose(weights);
  for (const f of [first, more, step]) for (const program of f.programs()) program.free();
  return seen;
};

const isFlat = async (device: Device, steps: number) => {
  const seen = await held(device, steps);
  // Three lengths of batch, each of which comes first, second and third.
  const settled = seen.slice(12);
  assert.deepEqual(new Set(settled), new Set([settled[0]]));
};

check(`memory is the same after each of ${STEPS} steps`, (device) => isFlat(device, STEPS), ["cpu"]);
for (const [kernels, steps] of [
  ["cpu", STEPS],
  ["gpu", FEWER],
] as const)
  webgpuCheck(
    `memory is the same after each of ${steps} steps, and so are the buffers that kernels meet`,
    (device) => isFlat(device, steps),
    [kernels],
  );

webgpuCheck(
  "training with accumulation binds nothing anew after the third step",
  async (device) => {
    const seen: string[] = [];
    await trainTiny("dpo", { steps: 6, learningRate: 1e-3, accumulation: 3, batchSize: 1 }, device, () => {
      const { bindings, kernels, keptBytes } = device.stats();
      seen.push(JSON.stringify({ bindings, kernels, keptBytes }));
    });
    assert.deepEqual(new Set(seen.slice(2)), new Set([seen[2]]));
  },
  ["cpu"],
);
