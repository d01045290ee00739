/** One optimizer step over ten 1024 × 1024 tensors, one on software adapters: AdamW, OnDARE, OnTIES (p = 0.01); milliseconds. */
import {
  compile,
  type Device,
  evaluate,
  foldIn,
  key,
  mul,
  normal,
  read,
  type Tensor,
  treeMap,
  zeros,
} from "../core/index.js";
import { adamW, type Optimizer, onDare, onTies } from "../optim/index.js";
import { benchDevice, drainOf, isSoftware } from "./device.js";
import { checkAdamW, checkMerging, type Leaf } from "./optimizer-checks.js";
import { bench, type Case, inMilliseconds } from "./suite.js";

const device = await benchDevice();
const drain = drainOf(device);
const [TENSORS, SIDE] = [isSoftware(device) ? 1 : 10, 1024];
const [LR, ALPHA, P] = [1e-3, 0.25, 0.01];

type Params = { readonly [name: string]: Tensor };

const blank: Params = Object.fromEntries(
  Array.from({ length: TENSORS }, (_, i) => [`w${i}`, zeros([SIDE, SIDE])] as const),
);
const drawn = (seed: number, size: number, device: Device): Params => {
  let leaf = 0;
  return evaluate(treeMap(() => mul(normal(foldIn(key(seed), leaf++), [SIDE, SIDE]), size), blank) as Params, device);
};

/** A run of an optimizer: `step` takes one, `leaf` reads what one tensor's update is made of. */
const running = (rule: Optimizer, device: Device, drain: () => Promise<unknown>) => {
  const update = compile(
    (state: ReturnType<typeof rule.init<Params>>, grads: Params, tau: Params, lr: Tensor) =>
      rule.update(state, grads, { lr, tau }),
    device,
    { donate: [0], name: rule.name },
  );
  let state = evaluate(rule.init(drawn(1, 0.02, device)), device);
  // Two gradients in turn, so that magnitudes of updates differ: Adam's first is ±lr everywhere.
  const gradients = [drawn(2, 1, device), drawn(3, 1, device)];
  const tau = rule.usesTau ? evaluate(rule.prepare(drawn(4, 0.01, device), state.key), device) : ({} as Params);
  let steps = 0;
  return {
    step: async () => {
      state = update(state, gradients[steps++ % 2], tau, LR);
      await drain();
    },
    leaf: async (name: string): Promise<Leaf> => ({
      w: (await read(state.params[name])) as Float32Array,
      m: (await read(state.slots.m[name])) as Float32Array,
      v: (await read(state.slots.v[name])) as Float32Array,
      nextGradient: (await read(gradients[steps % 2][name])) as Float32Array,
      tau: rule.usesTau ? ((await read(tau[name])) as Float32Array) : undefined,
      steps,
    }),
  };
};

const MIDDLE = `w${((7 * TENSORS) / 10) | 0}`;
const rules = [
  [adamW(), `adamw_${TENSORS}m_ms`, checkAdamW],
  [onDare({ reserveP: P, alpha: ALPHA }), `ondare_${TENSORS}m_ms`, checkMerging("all")],
  [onTies({ reserveP: P, alpha: ALPHA }), `onties_${TENSORS}m_ms`, checkMerging("largest")],
] as const;

// One after another: three states of ten tensors would not fit a small machine's memory beside each other.
for (const [rule, metric, check] of rules) {
  const { step, leaf } = running(rule, device, drain);
  const only: Case = {
    name: `${device.name} ${rule.name}, ${TENSORS} × 1024 × 1024`,
    check: async () => {
      for (let i = 0; i < 4; i++) await step();
      const before = await leaf(MIDDLE);
      await step();
      check(before, await leaf(MIDDLE), { lr: LR, alpha: ALPHA, p: P });
    },
    run: step,
    metric: { name: metric, of: inMilliseconds },
  };
  await bench(device.description, [only], device);
}
await device.close();
