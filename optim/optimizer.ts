import {
  add,
  bernoulli,
  foldIn,
  foldInName,
  InputError,
  key as keyOf,
  namedLeaves,
  ShapeError,
  sameShape,
  scalar,
  sub,
  type Tensor,
  type TensorLike,
  type Tree,
  treeMap,
  typeOf,
  zerosLike,
} from "../core/index.js";
import type { Draw, Rule, Scalars, Slots, Stream } from "./rule.js";

/** Everything an optimizer remembers: a plain tree of tensors. Saving its leaves and loading them goes on bit for bit. */
export type OptimizerState<P extends Tree> = {
  /** Updates done so far, i32 []. */
  readonly step: Tensor;
  /** Where all masks come from, u32 [2]. */
  readonly key: Tensor;
  /** What all parameters share, f32 []. */
  readonly scalars: { readonly [name: string]: Tensor };
  readonly params: P;
  /** Trees like the parameters: moments and the like. */
  readonly slots: { readonly [name: string]: P };
};

/** Masks to use instead of drawn ones: bool, trees like the parameters. For tests, and for masks that were estimated. */
export type Masks<P extends Tree = Tree> = { readonly [stream in Stream]?: P };

/** What an update takes beside state and gradients. All of it is data: another value compiles nothing. */
export type UpdateInputs<P extends Tree = Tree> = {
  /** Learning rate, a scalar. */
  readonly lr: TensorLike;
  /** The reference delta as `prepare` gave it; only for optimizers whose `usesTau` is true. */
  readonly tau?: P;
  readonly masks?: Masks<P>;
};

/** A rule over whole trees. Pure functions of graphs: build them into a compiled step, or evaluate them. */
export interface Optimizer {
  readonly name: string;
  /** Does `update` need `tau`? */
  readonly usesTau: boolean;
  /** The state before the first step. `seed` decides every mask. */
  readonly init: <P extends Tree>(params: P, options?: { readonly seed?: number }) => OptimizerState<P>;
  /**
   * What is done to refDelta = w_sft − w_base once, before the first step; a function of (refDelta, key) alone, so that a
   * resumed run prepares the same. Pass the state's key. The result is `tau` of every update.
   */
  readonly prepare: <P extends Tree>(refDelta: P, key: Tensor, masks?: Masks<P>) => P;
  /**
   * One step. Names of gradients are those of the parameters; a parameter that has none stays untouched: no decay, no
   * drift. Errors: ShapeError unless w, gradient and tau of a parameter have one shape.
   */
  readonly update: <P extends Tree, G extends Tree = P>(
    state: OptimizerState<P>,
    grads: G,
    inputs: UpdateInputs<P>,
  ) => OptimizerState<P>;
}

const STREAM: Record<Stream, number> = { delta: 0, tau: 1 };

/**
 * Masks of one step, parameter by parameter: a function of (seed, step, stream, parameter name, flat index) and nothing
 * else. Step and stream are folded in first, since the parameters share them.
 */
const masksOf = (key: Tensor, step: TensorLike, fed: Masks | undefined, call: string) => {
  const stepKey = foldIn(key, step);
  const streams = { delta: foldIn(stepKey, STREAM.delta), tau: foldIn(stepKey, STREAM.tau) };
  const given = {
    delta: fed?.delta && new Map(namedLeaves(fed.delta)),
    tau: fed?.tau && new Map(namedLeaves(fed.tau)),
  };
  return (name: string, like: Tensor): Draw =>
    (stream, p) => {
      const mask = given[stream]?.get(name);
      if (mask === undefined) return bernoulli(foldInName(streams[stream], name), p, like.shape);
      if (mask.dtype !== "bool" || !sameShape(mask.shape, like.shape))
        throw new ShapeError(
          `${call}: "${name}": the ${stream} mask is ${typeOf(mask)} for a parameter ${typeOf(like)}`,
          "masks are bool and shaped like their parameters",
        );
      return mask;
    };
};

/** The tensors of a tree by name. Errors: ShapeError for a name that no parameter has. */
const byName = (tree: Tree, params: ReadonlyMap<string, Tensor>, what: string, call: string): Map<string, Tensor> => {
  const named = new Map(namedLeaves(tree));
  for (const name of named.keys())
    if (!params.has(name))
      throw new ShapeError(
        `${call}: ${what} has "${name}", which is not a parameter`,
        "trees must match in their names",
      );
  return named;
};

export interface LiftOptions {
  /**
   * Keeps what rounding takes from w + change and adds it next time (slot `lost`), so that a drift below half an ulp of the
   * weight is not absorbed. Costs a tensor like w. Source: Kahan 1965.
   */
  readonly compensated?: boolean;
}

/**
 * Lifts the rule of one parameter over trees: w' = w + change, leaf by leaf. Laws: a leaf's result does not depend on the
 * other leaves, nor on where it stands in the tree; the second step compiles nothing.
 */
export const optimizer = (rule: Rule, { compensated = false }: LiftOptions = {}): Optimizer => {
  const slotNames = compensated ? [...rule.slots, "lost"] : rule.slots;

  const stepLeaf = (w: Tensor, grad: Tensor, { lost, ...slots }: Slots, now: Parameters<Rule["step"]>[2]): Slots => {
    const out = rule.step(grad, slots, now);
    if (!compensated) return { ...out.slots, w: add(w, out.change) };
    const change = add(out.change, lost);
    const next = add(w, change);
    return { ...out.slots, w: next, lost: sub(change, sub(next, w)) };
  };

  const checkLeaf = (name: string, w: Tensor, grad: Tensor, tau: Tensor | undefined): void => {
    const call = `${rule.name}: "${name}": w ${typeOf(w)}, gradient ${typeOf(grad)}${tau ? `, refDelta ${typeOf(tau)}` : ""}`;
    if (rule.usesTau && tau === undefined)
      throw new ShapeError(`${call}: tau has no tensor of this name`, "prepare a refDelta with every parameter");
    if ([w, grad, ...(tau ? [tau] : [])].some((t) => t.dtype !== "f32" || !sameShape(t.shape, w.shape)))
      throw new ShapeError(`${call}: they differ`, "base, reference and policy must have one architecture");
  };

  return {
    name: rule.name,
    usesTau: rule.usesTau,
    init: (params, { seed = 0 } = {}) => ({
      step: scalar(0, "i32"),
      key: keyOf(seed),
      scalars: Object.fromEntries(rule.scalars.map((name) => [name, scalar(0)])),
      params,
      slots: Object.fromEntries(slotNames.map((name) => [name, treeMap(zerosLike, params)])),
    }),
    prepare: (refDelta, key, masks) => {
      const drawFor = masksOf(key, 0, masks, `${rule.name}.prepare`);
      return treeMap((tau, name) => rule.prepare(tau, drawFor(name, tau)), refDelta);
    },
    update: (state, grads, { lr, tau, masks }) => {
      if (rule.usesTau && tau === undefined)
        throw new InputError(`${rule.name}: update needs tau: prepare(refDelta, state.key) makes it`);
      const step = add(state.step, 1);
      const scalars: Scalars = rule.advance(state.scalars);
      const rate = typeof lr === "number" ? scalar(lr) : lr;
      const drawFor = masksOf(state.key, step, masks, rule.name);
      const params = new Map(namedLeaves(state.params));
      const gradOf = byName(grads, params, "the gradient", rule.name);
      const tauOf = tau === undefined || !rule.usesTau ? undefined : byName(tau, params, "tau", rule.name);
      const slotsOf = slotNames.map((slot) => [slot, new Map(namedLeaves(state.slots[slot]))] as const);

      const next = new Map<string, Slots>();
      for (const [name, w] of params) {
        const slots = Object.fromEntries(slotsOf.map(([slot, tensors]) => [slot, tensors.get(name) as Tensor]));
        const grad = gradOf.get(name);
        if (grad === undefined) {
          next.set(name, { ...slots, w });
          continue;
        }
        const leafTau = tauOf?.get(name);
        checkLeaf(name, w, grad, leafTau);
        const now = { name, w, lr: rate, tau: leafTau, scalars, draw: drawFor(name, w) };
        next.set(name, stepLeaf(w, grad, slots, now));
      }
      const pick = (slot: string) => treeMap((_, name) => (next.get(name) as Slots)[slot], state.params);
      return {
        step,
        key: state.key,
        scalars,
        params: pick("w"),
        slots: Object.fromEntries(slotNames.map((slot) => [slot, pick(slot)])),
      };
    },
  };
};
