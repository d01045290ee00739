/** Causal attention, forward, and forward with its gradient: B 4 (1 on software adapters), T 256, 8 query heads over 4 key-value heads of 64. */
import assert from "node:assert/strict";
import {
  attention,
  compile,
  dispose,
  evaluate,
  grad,
  key,
  mul,
  normal,
  read,
  sum,
  type Tensor,
  tensor,
} from "../core/index.js";
import { open } from "../kernels/index.js";
import { benchDevice, drainOf, isSoftware } from "./device.js";
import { bench, type Case, inMilliseconds } from "./suite.js";

const device = await benchDevice();
const drain = drainOf(device);
const [B, T, H, G, D] = [isSoftware(device) ? 1 : 4, 256, 8, 4, 64];
/** Before the metric's unit, so that no two sizes share a name. */
const SIZE = B === 4 ? "" : `_b${B}`;
const scale = 1 / Math.sqrt(D);

type Inputs = { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor; readonly ct: Tensor };

const inputsOf = (batch: number, length: number): Inputs => ({
  q: normal(key(1), [batch, length, H, D]),
  k: normal(key(2), [batch, length, G, D]),
  v: normal(key(3), [batch, length, G, D]),
  ct: normal(key(4), [batch, length, H, D]),
});
const positions = (batch: number, length: number): Tensor =>
  tensor(
    Int32Array.from({ length: batch * length }, (_, i) => i % length),
    [batch, length],
  );

const forward = ({ q, k, v }: Inputs, position: Tensor): Tensor => attention(q, k, v, position, scale);
const backward = ({ ct, ...qkv }: Inputs, position: Tensor) =>
  grad((x: Omit<Inputs, "ct">) => sum(mul(forward({ ...x, ct }, position), ct)))(qkv);

const [run, runGradient] = [compile(forward, device), compile(backward, device)];

/** The same kernels at a length that the f64 interpreter can do. */
const [SMALL_B, SMALL_T] = [1, 48];
const check = async () => {
  const exact = await open("reference");
  const given = [inputsOf(SMALL_B, SMALL_T), positions(SMALL_B, SMALL_T)] as const;
  for (const of of [forward, (x: Inputs, p: Tensor) => backward(x, p).k, (x: Inputs, p: Tensor) => backward(x, p).q]) {
    const [want, got] = await Promise.all([exact, device].map((d) => read(evaluate(of(...given), d))));
    for (const [i, value] of got.entries())
      assert.ok(Math.abs(value - want[i]) <= 2e-5 * Math.max(1, Math.abs(want[i])), `[${i}] ${value} for ${want[i]}`);
  }
  await exact.close();
};

const inputs = evaluate(inputsOf(B, T), device);
const position = evaluate(positions(B, T), device);
// Scores and weighted values over the causal half of [T, T].
const flops = 2 * B * H * T * T * D;
const cases: readonly Case[] = [
  {
    name: `${device.name} attention`,
    check,
    run: async () => {
      dispose(run(inputs, position));
      await drain();
    },
    work: { amount: flops, unit: "FLOP" },
    metric: { name: `attention${SIZE}_ms`, of: inMilliseconds },
  },
  {
    name: `${device.name} attention gradient`,
    check: async () => {}, // checked with the first
    run: async () => {
      dispose(runGradient(inputs, position));
      await drain();
    },
    work: { amount: 3.5 * flops, unit: "FLOP" },
    metric: { name: `attention_gradient${SIZE}_ms`, of: inMilliseconds },
  },
];

await bench(device.description, cases, device);
await device.close();
