import {
  add,
  compile,
  concat,
  type Device,
  mul,
  reshape,
  sliceAxis,
  type Tensor,
  treeZip,
  valueAndGrad,
} from "../core/index.js";
import type { Params } from "../models/parameters.js";
import { clipByGlobalNorm, globalNorm } from "../optim/clip.js";
import type { Masks } from "../optim/masks.js";
import type { Optimizer, OptimizerState } from "../optim/optimizer.js";
import type { BatchTensors, Objective } from "./objective.js";

/** Gradients and totals of the batches of a step so far; without keys before the first. */
export type Carry = { readonly grads?: Params; readonly totals?: Tensor };

/** What an optimizer looks at in every step and never changes; without the keys that it does not ask for. */
export type Fixed = {
  /** The prepared reference delta. */
  readonly tau?: Params;
  /** The reference weights. */
  readonly anchor?: Params;
  readonly masks?: Masks<Params>;
};

/** What a run remembers: the optimizer's state, and [totals of the steps since the last log …, last gradient norm]. */
export type TrainState = { readonly optimizer: OptimizerState<Params>; readonly log: Tensor };

/** What changes from step to step: data, so that no step compiles anything. */
export type StepInputs = {
  /** 1 / units of all batches of the step. */
  readonly scale: Tensor;
  readonly lr: Tensor;
};

/** The gradient of scale · Σ losses over a batch, and its totals, added to what is carried. */
export const gradients = (
  objective: Objective,
  params: Params,
  batch: BatchTensors,
  scale: Tensor,
  carry: Carry,
): { readonly grads: Params; readonly totals: Tensor } => {
  const scaled = (p: Params): [Tensor, Tensor] => {
    const [loss, totals] = objective.sums(p, batch);
    return [mul(loss, scale), totals];
  };
  const [[, totals], grads] = valueAndGrad(scaled, { aux: true })(params);
  if (carry.grads === undefined) return { grads, totals };
  return {
    grads: treeZip(([a, b]) => add(a, b), carry.grads, grads),
    totals: add(carry.totals as Tensor, totals),
  };
};

/** Adds a batch's gradients to those carried: for all batches of a step but the last. The carry is donated. */
export const compileGradients = (objective: Objective, device: Device) =>
  compile(
    (params: Params, batch: BatchTensors, scale: Tensor, carry: Carry) =>
      gradients(objective, params, batch, scale, carry),
    device,
    { donate: [3], name: `${objective.name} gradients` },
  );

/**
 * One optimizer step as one program: gradients of the last batch added to those carried, clipped, handed to the optimizer.
 * State and carry are donated. One program for each shape of batch.
 */
export const compileStep = (
  objective: Objective,
  optimizer: Optimizer,
  maxGradNorm: number | undefined,
  device: Device,
) => {
  const k = objective.width;
  return compile(
    (state: TrainState, batch: BatchTensors, { scale, lr }: StepInputs, carry: Carry, fixed: Fixed): TrainState => {
      const { grads, totals } = gradients(objective, state.optimizer.params, batch, scale, carry);
      const clipped =
        maxGradNorm === undefined ? { grads, norm: globalNorm(grads) } : clipByGlobalNorm(grads, maxGradNorm);
      const next = optimizer.update(state.optimizer, clipped.grads, { lr, ...fixed });
      const log = concat([add(sliceAxis(state.log, 0, 0, k), totals), reshape(clipped.norm, [1])]);
      return { optimizer: next, log };
    },
    device,
    { donate: [0, 3], name: `${objective.name} step` },
  );
};
