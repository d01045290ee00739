import {
  abs,
  add,
  and,
  bits,
  cast,
  compile,
  concat,
  type Device,
  equal,
  foldInEach,
  lessEqual,
  mul,
  namedLeaves,
  not,
  type Program,
  read,
  reshape,
  roundRandom,
  scalar,
  sliceAxis,
  type Tensor,
  type Tree,
  tensor,
  treeMap,
  treeZip,
  valueAndGrad,
  where,
} from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import { clipFactor, globalNorm } from "../../optim/clip.js";
import type { Followed } from "../../optim/follow/follow.js";
import { keyByName, type Masks, roundingKeys } from "../../optim/masks.js";
import type { MeetingState } from "../../optim/meet/meeting.js";
import type { Optimizer, OptimizerState } from "../../optim/optimizer.js";
import type { BatchTensors } from "../objectives/log-probs.js";
import type { Objective } from "../objectives/objective.js";
import { type Chance, dropoutKey } from "./chance.js";
import { heldIn, type Steering, steered } from "./retained/steer.js";

/** Gradients and totals of all batches of a step. */
export type Summed = { readonly grads: Params; readonly totals: Tensor };
/** Of those so far; without keys before the first. */
export type Carry = Partial<Summed>;

/** How a batch counts, and how its gradients are kept. */
export type BatchInputs = {
  /** 1 / units of all batches of the step. */
  readonly scale: Tensor;
  /** Gradients are kept in bf16, rounded at random; without it in f32. */
  readonly rounding?: Chance;
  /** What decides which elements are dropped, for objectives that drop some. */
  readonly dropout?: Chance;
};

/** What an optimizer looks at in every step and never changes; without the keys that it does not ask for. */
export type Fixed = {
  /** The prepared reference delta. */
  readonly tau?: Params;
  /** The reference weights. */
  readonly anchor?: Params;
  readonly masks?: Masks<Params>;
  /** The null spaces that steps are held in, by name of a linear layer's weights. */
  readonly spaces?: Params;
};
/** The same, and the gradients of retained data, which change now and then. */
export type Steady = Fixed & { readonly retained?: readonly Params[] };

/**
 * What a run remembers: the optimizer's state, and [totals of the steps since the last log …, last gradient norm, has it
 * failed]. A step whose loss or gradients are not finite sets the last to 1; from then on no step changes anything else.
 */
export type StepState = { readonly optimizer: OptimizerState<Params>; readonly log: Tensor };
/** That, and what follows the weights: an average to hand out, a reference that moves. */
export type TrainState = StepState & {
  readonly average?: Followed<Params>;
  readonly reference?: Followed<Params>;
  /** Gradients of retained data, as they were taken last. */
  readonly retained?: readonly Params[];
  /** What workers that meet keep from one meeting to the next, each of its own parameters. */
  readonly meeting?: MeetingState<Params>;
  /** In files: what such workers remember for themselves, by rank. */
  readonly each?: {
    readonly [rank: string]: Pick<OptimizerState<Params>, "slots" | "scalars"> & { readonly log: Tensor };
  };
};

/** Where the sums of a logging interval start. */
export const noTotals = ({ width }: Objective): Tensor => tensor(new Float32Array(width + 2));

/** What the log of a state says, read back. */
export const logged = (log: ArrayLike<number>, { width }: Objective) => ({
  norm: log[width],
  failed: log[width + 1] !== 0,
});

/** A log as it was before the step that failed: numbers. */
export const unfailed = async (log: Tensor, { width }: Objective): Promise<Tensor> =>
  tensor((await read(log)).map((x, i) => (i === width + 1 ? 0 : x)));

/** Bits for random rounding. Law: a leaf's rounding is a function of (seed, step, batch, name) alone. */
const roundingBits = (params: Params, { key, step, batch }: Chance): Params => {
  const names = namedLeaves(params).map(([name]) => name);
  const keys = keyByName(foldInEach(roundingKeys(key, step, "gradient", names), batch), names);
  return treeMap((w, name) => bits(keys.get(name) as Tensor, w.shape), params);
};

/** The gradient of scale · Σ losses over a batch, and its totals, added to what is carried. */
export const gradients = (
  objective: Objective,
  params: Params,
  batch: BatchTensors,
  { scale, rounding, dropout }: BatchInputs,
  carry: Carry,
): Summed => {
  const seen = dropout === undefined ? batch : { ...batch, dropoutKey: dropoutKey(dropout) };
  const scaled = (p: Params): [Tensor, Tensor] => {
    const [loss, totals] = objective.sums(p, seen);
    return [mul(loss, scale), totals];
  };
  // Written before the gradients, so that their keys are there when these are: none waits in f32 for the others.
  const random = rounding && roundingBits(params, rounding);
  const onto = carry.grads && treeMap((sum) => cast(sum, "f32"), carry.grads);
  const [[, own], grads] = valueAndGrad(scaled, { hasAux: true, onto })(params);
  return {
    grads: random === undefined ? grads : treeZip(([g, chance]) => roundRandom(g, chance, "bf16"), grads, random),
    totals: carry.totals === undefined ? own : add(carry.totals, own),
  };
};

/** Adds a batch's gradients to those carried. The carry is donated. One program for each shape of batch, two where batches are gathered. */
export const compileGradients = (objective: Objective, device: Device) =>
  compile(
    (params: Params, batch: BatchTensors, inputs: BatchInputs, carry: Carry) =>
      gradients(objective, params, batch, inputs, carry),
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

/** `next` where no step has failed so far, by the log after it, else `before`. */
export const kept = <T extends Tree>(log: Tensor, { width: k }: Objective, next: T, before: T): T =>
  chosen(isZero(sliceAxis(log, 0, k + 1, k + 2)), next, before);

/** What is decided for all parameters at once, from all gradients. */
export type Verdict = {
  /** What gradients are multiplied by, so that their norm stays below its bound; none without a bound. */
  readonly factor?: Tensor;
  /** Is this step finite, and were all before it? */
  readonly ok: Tensor;
};

/** What is known of a step before it is taken: the global norm of its gradients, and its totals. */
export type Seen = { readonly norm: Tensor; readonly totals: Tensor };

/** Of a step whose gradients are all here. */
export const seen = ({ grads, totals }: Summed): Seen => ({ norm: globalNorm(grads), totals });

/** Looks at the norm and totals of a step, and writes its log. `maxGradNorm` undefined: no clipping. */
export const judge = (
  log: Tensor,
  { norm, totals }: Seen,
  { width: k }: Objective,
  maxGradNorm: number | undefined,
): { readonly verdict: Verdict; readonly log: Tensor } => {
  const loss = reshape(sliceAxis(totals, 0, 0, 1), []);
  const ok = and(finite(add(norm, abs(loss))), isZero(sliceAxis(log, 0, k + 1, k + 2)));
  const next = concat([add(sliceAxis(log, 0, 0, k), totals), reshape(norm, [1])]);
  return {
    verdict: { ok, ...(maxGradNorm !== undefined && { factor: clipFactor(norm, maxGradNorm) }) },
    log: concat([chosen(ok, next, sliceAxis(log, 0, 0, k + 1)), reshape(cast(not(ok), "f32"), [1])]),
  };
};

/** How a step is taken: the optimizer, and what is done with the gradients of retained data, where there are some. */
export interface Stepper {
  readonly optimizer: Optimizer;
  readonly steering?: Steering;
}

/** The optimizer's step under a verdict, of all parameters or any part of them; if it is not good, nothing changes. */
export const update = (
  { optimizer: { update: step }, steering }: Stepper,
  state: OptimizerState<Params>,
  grads: Params,
  { factor, ok }: Verdict,
  { retained, spaces, ...inputs }: { readonly lr: Tensor } & Steady,
): OptimizerState<Params> => {
  const clipped = factor === undefined ? grads : treeMap((g) => mul(g, factor), grads);
  const { tau } = inputs;
  const { grads: kept, ...drift } =
    retained === undefined || steering === undefined
      ? { grads: clipped }
      : steered(steering, retained, { grads: clipped, ...(tau && { tau }) });
  const next = step(state, kept, { ...inputs, ...drift });
  return chosen(ok, spaces === undefined ? next : heldIn(spaces, state, next), state);
};

/** Takes the optimizer's step. State and gradients are donated. */
export interface Apply {
  (state: StepState, summed: Summed, lr: number, fixed: Steady): StepState | Promise<StepState>;
  readonly programs: () => readonly Program[];
}

/**
 * The optimizer's step as a program of its own: gradients clipped, and consumed. A step that is not finite changes nothing
 * but the log's last number. State and gradients are donated.
 */
export const compileApply = (
  objective: Objective,
  stepper: Stepper,
  maxGradNorm: number | undefined,
  device: Device,
): Apply =>
  compile(
    (state: StepState, summed: Summed, lr: Tensor, fixed: Steady): StepState => {
      const { verdict, log } = judge(state.log, seen(summed), objective, maxGradNorm);
      return { optimizer: update(stepper, state.optimizer, summed.grads, verdict, { lr, ...fixed }), log };
    },
    device,
    { donate: [0, 1], name: `${objective.name} step` },
  );
