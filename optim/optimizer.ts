import {
  add,
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
  zeros,
  zerosLike,
} from "../core/index.js";
import { packBf16, packedShape, unpackBf16 } from "./bf16.js";
import { type Masks, masksOf, roundingOf } from "./masks.js";
import type { Now, Rule, Scalars, Slots } from "./rule.js";

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

/** What an update takes beside state and gradients. All of it is data: another value compiles nothing. */
export type UpdateInputs<P extends Tree = Tree> = {
  /** Learning rate, a scalar. */
  readonly lr: TensorLike;
  /** The reference delta as `prepare` gave it; only for optimizers whose `usesTau` is true. */
  readonly tau?: P;
  /** The reference weights; only for optimizers whose `usesAnchor` is true. */
  readonly anchor?: P;
  readonly masks?: Masks<P>;
};

/** A rule over whole trees. Pure functions of graphs: build them into a compiled step, or evaluate them. */
export interface Optimizer {
  readonly name: string;
  /** Does `update` need `tau`? */
  readonly usesTau: boolean;
  /** Does `update` need `anchor`? */
  readonly usesAnchor: boolean;
  /** Does `update` need `masks.gradient`? */
  readonly usesMask: boolean;
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
  /** The weights to hand out, for optimizers that keep an average of them; else they are `params`. */
  readonly report?: <P extends Tree>(state: OptimizerState<P>) => P;
}

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

const packedZeros = (t: Tensor): Tensor => zeros(packedShape(t.shape), "u32");

const mapSlots = (slots: Slots, f: (slot: string, t: Tensor) => Tensor): Slots =>
  Object.fromEntries(Object.entries(slots).map(([slot, t]) => [slot, f(slot, t)]));

/** A rule's `report` over trees. */
const lifted =
  (report: NonNullable<Rule["report"]>): NonNullable<Optimizer["report"]> =>
  ({ params, slots }) => {
    const trees = Object.entries(slots).map(([slot, tree]) => [slot, new Map(namedLeaves(tree))] as const);
    const slotsOf = (name: string) => Object.fromEntries(trees.map(([slot, of]) => [slot, of.get(name) as Tensor]));
    return treeMap((w, name) => report(w, slotsOf(name)), params);
  };

export interface LiftOptions {
  /**
   * Keeps what rounding takes from w + change and adds it next time (slot `lost`), so that a drift below half an ulp of the
   * weight is not absorbed. Costs a tensor like w. Source: Kahan 1965.
   */
  readonly compensated?: boolean;
  /**
   * How moments and τ lie in memory: "bf16" halves them. They are rounded up or down at random, with the mean kept, by bits
   * of the seed; all arithmetic stays f32. Default "f32".
   */
  readonly storage?: "f32" | "bf16";
}

/**
 * Lifts the rule of one parameter over trees: w' = w + change, leaf by leaf. Laws: a leaf's result does not depend on the
 * other leaves, nor on where it stands in the tree; the second step compiles nothing.
 */
export const optimizer = (rule: Rule, { compensated = false, storage = "f32" }: LiftOptions = {}): Optimizer => {
  if (storage !== "f32" && storage !== "bf16")
    throw new InputError(`${rule.name}: storage is "${storage}"; it must be "f32" or "bf16"`);
  const coarse = new Set(storage === "bf16" ? rule.coarse : []);
  const slotNames = compensated ? [...rule.slots, "lost"] : rule.slots;

  const stepLeaf = (w: Tensor, grad: Tensor, { lost, ...slots }: Slots, now: Now): Slots => {
    const out = rule.step(grad, slots, now);
    if (!compensated) return { ...out.slots, w: add(w, out.change) };
    const change = add(out.change, lost);
    const next = add(w, change);
    return { ...out.slots, w: next, lost: sub(change, sub(next, w)) };
  };

  const checkLeaf = (w: Tensor, grad: Tensor, { name, tau, anchor }: Now): void => {
    const parts: readonly (readonly [string, Tensor | undefined])[] = [
      ["w", w],
      ["gradient", grad],
      ["refDelta", tau],
      ["anchor", anchor],
    ];
    const given = parts.flatMap(([what, t]) => (t === undefined ? [] : [[what, t] as const]));
    const call = `${rule.name}: "${name}": ${given.map(([what, t]) => `${what} ${typeOf(t)}`).join(", ")}`;
    if (rule.usesTau && tau === undefined)
      throw new ShapeError(`${call}: tau has no tensor of this name`, "prepare a refDelta with every parameter");
    if (rule.usesAnchor && anchor === undefined)
      throw new ShapeError(
        `${call}: anchor has no tensor of this name`,
        "give the reference weights of every parameter",
      );
    if (given.some(([, t]) => t.dtype !== "f32" || !sameShape(t.shape, w.shape)))
      throw new ShapeError(`${call}: they differ`, "base, reference and policy must have one architecture");
  };

  const unpackedTau = (tau: Tensor | undefined, w: Tensor, call: string): Tensor | undefined => {
    if (tau === undefined || storage === "f32") return tau;
    if (tau.dtype !== "u32" || !sameShape(tau.shape, packedShape(w.shape)))
      throw new ShapeError(`${call}: tau is ${typeOf(tau)} for w ${typeOf(w)}`, "prepare it with this optimizer");
    return unpackBf16(tau, w.shape);
  };

  return {
    name: rule.name,
    usesTau: rule.usesTau,
    usesAnchor: rule.usesAnchor === true,
    usesMask: rule.usesMask === true,
    init: (params, { seed = 0 } = {}) => ({
      step: scalar(0, "i32"),
      key: keyOf(seed),
      scalars: Object.fromEntries(rule.scalars.map((name) => [name, scalar(0)])),
      params,
      slots: Object.fromEntries(
        slotNames.map((name) => [name, treeMap(coarse.has(name) ? packedZeros : zerosLike, params)]),
      ),
    }),
    prepare: (refDelta, key, masks) => {
      const drawFor = masksOf(key, 0, masks, `${rule.name}.prepare`);
      const round = roundingOf(key, 0);
      const prepared = treeMap((tau, name) => rule.prepare(tau, drawFor(name, tau)), refDelta);
      return storage === "f32" ? prepared : treeMap((tau, name) => packBf16(tau, round("tau", name)), prepared);
    },
    update: (state, grads, { lr, tau, anchor, masks }) => {
      if (rule.usesTau && tau === undefined)
        throw new InputError(`${rule.name}: update needs tau: prepare(refDelta, state.key) makes it`);
      if (rule.usesAnchor && anchor === undefined)
        throw new InputError(`${rule.name}: update needs anchor: the reference weights`);
      if (rule.usesMask && masks?.gradient === undefined)
        throw new InputError(`${rule.name}: update needs masks.gradient: jointMask(squared gradients, p) makes it`);
      const step = add(state.step, 1);
      const scalars: Scalars = rule.advance(state.scalars);
      const rate = typeof lr === "number" ? scalar(lr) : lr;
      const drawFor = masksOf(state.key, step, masks, rule.name);
      const round = roundingOf(state.key, step);
      const params = new Map(namedLeaves(state.params));
      const gradOf = byName(grads, params, "the gradient", rule.name);
      const tauOf = tau === undefined || !rule.usesTau ? undefined : byName(tau, params, "tau", rule.name);
      const anchorOf =
        anchor === undefined || !rule.usesAnchor ? undefined : byName(anchor, params, "anchor", rule.name);
      const maskOf = rule.usesMask ? byName(masks?.gradient as Tree, params, "masks.gradient", rule.name) : undefined;
      const slotsOf = slotNames.map((slot) => [slot, new Map(namedLeaves(state.slots[slot]))] as const);

      const next = new Map<string, Slots>();
      for (const [name, w] of params) {
        const stored = Object.fromEntries(slotsOf.map(([slot, tensors]) => [slot, tensors.get(name) as Tensor]));
        const grad = gradOf.get(name);
        if (grad === undefined) {
          next.set(name, { ...stored, w });
          continue;
        }
        const leafTau = unpackedTau(tauOf?.get(name), w, `${rule.name}: "${name}"`);
        const now = { name, w, lr: rate, tau: leafTau, anchor: anchorOf?.get(name), scalars, draw: drawFor(name, w) };
        checkLeaf(w, grad, now);
        if (maskOf?.has(name) === false)
          throw new ShapeError(`${rule.name}: "${name}": masks.gradient has no tensor of this name`);
        const slots = mapSlots(stored, (slot, t) => (coarse.has(slot) ? unpackBf16(t, w.shape) : t));
        const after = stepLeaf(w, grad, slots, now);
        next.set(
          name,
          mapSlots(after, (slot, t) => (coarse.has(slot) ? packBf16(t, round(slot, name)) : t)),
        );
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
    ...(rule.report && { report: lifted(rule.report) }),
  };
};
