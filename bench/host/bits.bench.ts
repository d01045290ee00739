/** What portable bits cost on cpu: products, and a step of a small network, with native bits and with portable ones. */
import assert from "node:assert/strict";
import {
  compile,
  crossEntropy,
  type Device,
  dispose,
  evaluate,
  key,
  matmul,
  mean,
  mul,
  normal,
} from "../../core/index.js";
import { openCpu } from "../../kernels/index.js";
import { read, relu, type Tensor, tensor, valueAndGrad } from "../../library/index.js";
import { adamW } from "../../optim/index.js";
import { drainOf } from "../device.js";
import { bench, type Case, inGiga, inMilliseconds } from "../suite.js";

const N = 1024;
const WIDTHS = [784, 512, 256, 10];
const BITS = ["native", "portable"] as const;

const productOn = (device: Device, bits: string): Case => {
  const [a, b] = evaluate([normal(key(1), [N, N]), normal(key(2), [N, N])], device);
  const product = compile((x: Tensor, y: Tensor) => matmul(x, y), device);
  const drain = drainOf(device);
  return {
    name: `matmul ${N}, ${bits} bits`,
    check: async () => {
      const out = product(a, b);
      const [x, y, z] = [await read(a), await read(b), await read(out)];
      dispose(out);
      let want = 0;
      for (let k = 0; k < N; k++) want += x[3 * N + k] * y[k * N + 5];
      assert.ok(Math.abs(z[3 * N + 5] - want) < 1e-5 * N, `${z[3 * N + 5]} for ${want}`);
    },
    run: async () => {
      dispose(product(a, b));
      await drain();
    },
    work: { amount: 2 * N ** 3, unit: "FLOP" },
    metric: { name: `matmul_${N}_${bits}_gflops`, of: inGiga(2 * N ** 3) },
  };
};

const stepOn = (device: Device, bits: string): Case => {
  const rule = adamW();
  const weights = WIDTHS.slice(1).map((to, i) => mul(normal(key(i), [WIDTHS[i], to]), Math.sqrt(2 / WIDTHS[i])));
  const [x] = evaluate([normal(key(9), [128, WIDTHS[0]])], device);
  const labels = tensor(Int32Array.from({ length: 128 }, (_, i) => i % 10));
  const loss = (params: Tensor[]) => {
    const out = params.reduce((h, w, i) => matmul(i === 0 ? h : relu(h), w), x);
    return mean(crossEntropy(out, labels));
  };
  const step = compile(
    (state: ReturnType<typeof rule.init<Tensor[]>>) => {
      const [value, grads] = valueAndGrad(loss)(state.params);
      return { value, state: rule.update(state, grads, { lr: 1e-3 }) };
    },
    device,
    { donate: [0] },
  );
  let state = evaluate(rule.init(weights), device);
  const run = async (): Promise<number> => {
    const out = step(state);
    state = out.state;
    const [value] = await read(out.value);
    dispose(out.value);
    return value;
  };
  return {
    name: `step of a small network, ${bits} bits`,
    check: async () => {
      const first = await run();
      assert.ok((await run()) < first);
    },
    run,
    metric: { name: `mlp_step_${bits}_ms`, of: inMilliseconds },
  };
};

const devices = await Promise.all(BITS.map((bits) => openCpu({ bits })));
for (const make of [productOn, stepOn])
  await bench(
    "cpu",
    devices.map((device, i) => make(device, BITS[i])),
    devices[0],
  );
await Promise.all(devices.map((device) => device.close()));
