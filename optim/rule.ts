import type { Shape, Tensor } from "../core/index.js";

/** Tensors that a parameter has of its own, most of them of its shape, by name: moments, the update since the last merge, … */
export type Slots = Readonly<Record<string, Tensor>>;

/** f32 scalars that all parameters share, by name: bias corrections, the steps since the last merge. */
export type Scalars = Readonly<Record<string, Tensor>>;

/** Which mask is drawn: of Δ, of τ, or of the gradient. No two share bits. */
export type Stream = "delta" | "tau" | "gradient";

/** A mask that is true with probability p: bool, of the parameter's shape or of that given. A mask that the caller fed in wins. */
export type Draw = (stream: Stream, p: number, shape?: Shape) => Tensor;

/** What a rule may look at besides its gradient and its slots. */
export interface Now {
  /** The parameter's path in the tree. */
  readonly name: string;
  /** The weights before the step, [*S]. */
  readonly w: Tensor;
  /** Learning rate, a scalar: data, never structure. */
  readonly lr: Tensor;
  /** The reference delta as `prepare` gave it, [*S]; there whenever the rule's `usesTau` is true. */
  readonly tau: Tensor | undefined;
  /** The reference weights, [*S]; there whenever the rule's `usesAnchor` is true. */
  readonly anchor: Tensor | undefined;
  /** The shared scalars of this step, already advanced. */
  readonly scalars: Scalars;
  readonly draw: Draw;
}

/**
 * The rule of one parameter: what is added to w, a pure function of gradient, slots and context. Base optimizers are rules;
 * merging, step-K and weight decay take a rule and give a rule; `optimizer` lifts the result over a tree.
 */
export interface Rule {
  /** As errors show it. */
  readonly name: string;
  /** Names of its slots: zero at the start. */
  readonly slots: readonly string[];
  /** Those of its slots that bear rounding to bf16: averages of gradients. Default: none. */
  readonly coarse?: readonly string[];
  /** Names of its shared scalars, zero at the start. */
  readonly scalars: readonly string[];
  /** Steps after which what its slots gather is handed on and empty: step-K's K. Default 1. */
  readonly gap?: number;
  /** The shape of a slot for a parameter of a shape. Default: the parameter's. */
  readonly slotShape?: (slot: string, shape: Shape) => Shape;
  /** The shared scalars of the next step, once for the whole tree; `lr` is that step's rate. */
  readonly advance: (scalars: Scalars, lr: Tensor) => Scalars;
  readonly usesTau: boolean;
  /** Does it look at the reference weights? Default: no. */
  readonly usesAnchor?: boolean;
  /** Does it need a gradient mask to be fed in? Default: no. */
  readonly usesMask?: boolean;
  /** What is done to τ once, before the first step. */
  readonly prepare: (tau: Tensor, draw: Draw) => Tensor;
  /** grad [*S] → the change of w [*S] and the slots after the step. */
  readonly step: (grad: Tensor, slots: Slots, now: Now) => { readonly change: Tensor; readonly slots: Slots };
  /** The weights to hand out, from w and the slots after a step, [*S]. Default: w itself. */
  readonly report?: (w: Tensor, slots: Slots) => Tensor;
}

/** The parts of a rule that most base optimizers leave as they are. */
export const plain = {
  scalars: [],
  advance: (scalars: Scalars): Scalars => scalars,
  usesTau: false,
  prepare: (tau: Tensor): Tensor => tau,
} as const;
