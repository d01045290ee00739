/** The 27 reference paths: the authors' released classes, the paper's equations, torch's AdamW; masks fed in. */
import assert from "node:assert/strict";
import { adamW, type MergingOptions, type Optimizer, onDare, onTies } from "../../optim/index.js";
import { distance, path } from "../../testing/runs.js";
import { goldenJson } from "../golden/files.js";
import { check } from "../law.js";

interface Case {
  readonly preset: "official" | "paper" | "torch";
  readonly optimizer: "ondare" | "onties" | "adamw";
  readonly hyper: {
    readonly lr: number;
    readonly betas?: readonly [number, number];
    readonly eps?: number;
    readonly reserve_p?: number;
    readonly alpha?: number;
    readonly gap?: number;
    readonly online_step?: number;
    readonly weight_decay?: number;
    readonly rescale?: boolean;
    readonly correct_bias?: boolean;
  };
  readonly base?: readonly number[];
  readonly reference?: readonly number[];
  readonly start: readonly number[];
  readonly grads: readonly (readonly number[])[];
  readonly tau?: readonly number[];
  readonly tau_mask?: readonly number[] | null;
  readonly delta_masks?: readonly (readonly number[])[] | null;
  readonly tau_masks?: readonly (readonly number[])[] | null;
  readonly path: readonly (readonly number[])[];
}

const optimizerOf = ({ preset, optimizer, hyper }: Case): Optimizer => {
  const { betas, eps, weight_decay: weightDecay } = hyper;
  if (preset === "torch") return adamW({ betas, eps, weightDecay });
  const options: MergingOptions = {
    preset,
    betas,
    eps,
    weightDecay,
    reserveP: hyper.reserve_p,
    alpha: hyper.alpha,
    onlineStep: hyper.gap ?? hyper.online_step,
    ...(preset === "official" ? { rescaleL1: hyper.rescale, correctBias: hyper.correct_bias } : {}),
  };
  return optimizer === "ondare" ? onDare(options) : onTies(options);
};

const { cases } = goldenJson<{ cases: readonly Case[] }>("optimizers.json");

cases.forEach((golden, index) => {
  const { preset, optimizer, hyper, start, grads, base, reference } = golden;
  check(`golden path ${index}: ${preset} ${optimizer} ${JSON.stringify(hyper)}`, async (device) => {
    const K = hyper.gap ?? hyper.online_step ?? 1;
    // Reference masks are written for merging steps only; between them the mask is drawn and must not matter.
    const at = (masks: Case["delta_masks"], t: number) => ((t + 1) % K === 0 ? masks?.[(t + 1) / K - 1] : undefined);
    const { weights, tau } = await path(
      optimizerOf(golden),
      {
        start,
        grads,
        lr: hyper.lr,
        refDelta: reference?.map((x, i) => x - (base as readonly number[])[i]),
        masks: (t) => ({ delta: at(golden.delta_masks, t), tau: at(golden.tau_masks, t) }),
        tauMask: golden.tau_mask ?? undefined,
      },
      device,
    );
    const movement = distance(golden.path[golden.path.length - 1], start);
    for (const [t, expected] of golden.path.entries()) {
      const error = distance(weights[t], expected);
      if (device.name === "reference") assert.ok(error <= 1e-9, `step ${t}: off by ${error}`);
      else assert.ok(error <= 1e-4 * movement, `step ${t}: off by ${error / movement} of the movement`);
    }
    if (golden.tau) assert.ok(distance(tau, golden.tau) <= (device.name === "reference" ? 1e-12 : 1e-6), "prepared τ");
  });
});
