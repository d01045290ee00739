import {
  abs,
  add,
  and,
  cast,
  compile,
  concat,
  type Device,
  equal,
  lessEqual,
  mul,
  not,
  read,
  reshape,
  scalar,
  sliceAxis,
  type Tensor,
  type Tree,
  tensor,
  treeZip,
  valueAndGrad,
  where,
} from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { clipByGlobalNorm, globalNorm } from "../../optim/clip.js";
import type { Masks } from "../../optim/masks.js";
import type { Optimizer, OptimizerState } from "../../optim/optimizer.js";
import type { BatchTensors, Objective } from "../objectives/objective.js";

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

/**
 * What a run remembers: the optimizer's state, and [totals of the steps since the last log …, last gradient norm, has it
 * failed]. A step whose loss or gradients are not finite sets the last to 1; from then on no step changes anything else.
 */
export type TrainState = { readonly optimizer: OptimizerState<Params>; readonly log: Tensor };

/** Where the sums of a logging interval start. */
export const noTotals = ({ width }: Objective): Tensor => tensor(new Float32Array(width + 2));

/** What the log of a state says, read back. */
export const logged = (log: ArrayLike<number>, { width }: Objective) => ({
  norm: log[width],
  failed: log[width + 1] !== 0,
});

/** What changes from step to step: data, so that no step compiles anything. */
export type StepInputs = {
  /** 1 / units of all batches of the step. */
  readonly scale: Tensor;
  readonly lr: Tensor;
};

/** A log as it was before the step that failed: numbers. */
export const unfailed = async (log: Tensor, { width }: Objective): Promise<Tensor> =>
  tensor((await read(log)).map((x, i) => (i === width + 1 ? 0 : x)));

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
 * Is a scalar neither NaN nor infinite? By integers: compilers of shaders may take it for granted that floats are finite.
 * A cast to i32 makes 0 of NaN, and of infinity the largest integer.
 */
const finite = (x: Tensor): Tensor => {
  const n = cast(add(mul(abs(x), 2 ** -100), 1), "i32");
  return and(lessEqual(scalar(1, "i32"), n), lessEqual(n, scalar(2 ** 30, "i32")));
};

const isZero = (x: Tensor): Tensor => equal(reshape(x, []), 0);

/** Leaf by leaf `next` where a scalar condition holds, else `before`. */
const chosen = <T extends Tree>(condition: Tensor, next: T, before: T): T =>
  treeZip(([a, b]) => (a === b ? a : where(condition, a, b)), next, before);

/**
 * One optimizer step as one program: gradients of the last batch added to those carried, clipped, handed to the optimizer.
 * A step that is not finite changes nothing but the log's last number. State and carry are donated. One program for each shape of batch.
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
      const loss = reshape(sliceAxis(totals, 0, 0, 1), []);
      const ok = and(finite(add(clipped.norm, abs(loss))), isZero(sliceAxis(state.log, 0, k + 1, k + 2)));
      const log = concat([add(sliceAxis(state.log, 0, 0, k), totals), reshape(clipped.norm, [1])]);
      return {
        optimizer: chosen(ok, next, state.optimizer),
        log: concat([chosen(ok, log, sliceAxis(state.log, 0, 0, k + 1)), reshape(cast(not(ok), "f32"), [1])]),
      };
    },
    device,
    { donate: [0, 3], name: `${objective.name} step` },
  );
};
