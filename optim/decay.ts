import { asks } from "../core/expects.js";
import { add, mul, sub } from "../core/index.js";
import { notNegative } from "./check.js";
import type { Rule } from "./rule.js";

/** Decoupled weight decay: which weights it acts on, and which parameters. */
export interface Decay {
  /** The decay λ; a step takes lr·λ of the weights. */
  readonly rate: number;
  /** The weights before the update (torch's AdamW), or after it (the released merging optimizers). */
  readonly of: "weights before" | "weights after";
  /** Does the parameter of this name decay? Default: all do. */
  readonly decays?: (name: string) => boolean;
}

/**
 * A rule with decoupled weight decay: change − lr·λ·w, or change − lr·λ·(w + change) where it acts on the updated weights.
 * Never part of Δ: neither masked, nor merged, nor gathered by step-K.
 * Errors: InputError unless λ ≥ 0.  Source: Loshchilov & Hutter 2019.
 */
export const decayed = asks(
  "decayed",
  "record record",
  (base: Rule, { rate, of, decays = () => true }: Decay): Rule => {
    notNegative(base.name, "weight decay", rate);
    if (rate === 0) return base;
    return {
      ...base,
      step: (grad, slots, now) => {
        const out = base.step(grad, slots, now);
        if (!decays(now.name)) return out;
        const weights = of === "weights before" ? now.w : add(now.w, out.change);
        return { ...out, change: sub(out.change, mul(mul(now.lr, rate), weights)) };
      },
    };
  },
);

/** Name patterns that Hugging Face's Trainer keeps out of weight decay. */
const UNDECAYED = [/bias/, /layernorm/, /rmsnorm/, /(?:^|\.)norm(?:$|\.)/, /_norm(?:$|\.)/];

/** For `decays`: every parameter but biases and norm weights, as Hugging Face's Trainer groups them. */
export const exceptNormsAndBiases = asks(
  "exceptNormsAndBiases",
  "text",
  (name: string): boolean => !UNDECAYED.some((pattern) => pattern.test(name.toLowerCase())),
);
