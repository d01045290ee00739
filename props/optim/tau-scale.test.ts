/** τ with the norm of each update: α without a unit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Device, dispose, evaluate, read, tensor } from "../../core/index.js";
import { adam, type MergingOptions, mergingRule, optimizer, sgd } from "../../optim/index.js";
import { law } from "../law.js";

const N = 5;
const eighths = fc.integer({ min: -16, max: 16 }).map((n) => n / 8);
const vectors = fc.array(eighths, { minLength: N, maxLength: N });

/** The change that one step from 0 makes. */
const change = async (
  options: MergingOptions,
  [grad, tau]: readonly (readonly number[])[],
  lr: number,
  device: Device,
): Promise<number[]> => {
  const rule = optimizer(mergingRule("onDare", { tauScale: "update", ...options }));
  const state = rule.init({ w: tensor(new Float32Array(N)) });
  const prepared = rule.prepare({ w: tensor([...tau]) }, state.key);
  const out = evaluate(rule.update(state, { w: tensor([...grad]) }, { lr, tau: prepared }).params, device);
  return Array.from(await read(out.w).finally(() => dispose(out)));
};

law(
  "τ scaled to the update: a drift as long as the update, whatever τ's and the learning rate's size; with α = 0 or τ = 0 as ever",
  fc.record({ grad: vectors, tau: vectors, alpha: fc.constantFrom(0.25, 1), factor: fc.constantFrom(0.25, 8) }),
  async ({ grad, tau, alpha, factor }, device) => {
    const limit = device.name === "reference" ? 1e-12 : 1e-5;
    const near = (got: readonly number[], want: readonly number[]) => {
      for (const [i, x] of want.entries())
        assert.ok(Math.abs(got[i] - x) <= limit * (1 + Math.abs(x)), `${got}: ${want}`);
    };
    const base = sgd();
    const [long, size] = [Math.hypot(...grad), Math.hypot(...tau)];
    const drift = tau.map((x) => (size === 0 ? 0 : (x * long) / size));
    const made = await change({ base, alpha }, [grad, tau], 1, device);
    near(
      made,
      grad.map((g, i) => -(1 - alpha) * g + alpha * drift[i]),
    );
    near(await change({ base, alpha }, [grad, tau.map((x) => factor * x)], 1, device), made);
    near(
      await change({ base, alpha }, [grad, tau], factor, device),
      made.map((x) => factor * x),
    );
    const plain = await change({ base: adam(), alpha: 0, tauScale: "none" }, [grad, tau], 1, device);
    near(await change({ base: adam(), alpha: 0 }, [grad, tau], 1, device), plain);
  },
  { effort: 0.2 },
);
