import {
  add,
  bits,
  cast,
  type DType,
  InputError,
  isFloating,
  isTensor,
  key as keyOf,
  namedLeaves,
  roundRandom,
  type Shape,
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
} from "../core/index.js";
import { keysOf, type Masks, masksOf } from "./masks.js";
import type { Now, Rule, Scalars, Slots } from "./rule.js";
import { checkedRule } from "./rule-check.js";

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
  /** How moments and τ lie in memory, and gradients on their way to `update` may. */
  readonly storage: "f32" | "bf16";
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
   * drift. Any of them may be bf16 or f16. Errors: ShapeError unless w, gradient and tau of a parameter have one shape.
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

const wide = (t: Tensor): Tensor => cast(t, "f32");

/** How numbers are kept from step to step. */
export type StateType = Extract<DType, "f32" | "bf16">;

const checkType = (call: string, option: string, type: StateType): void => {
  if (type !== "f32" && type !== "bf16")
    throw new InputError(`${call}: ${option} is "${type}"; it must be "f32" or "bf16"`);
};

/** Numbers as they are kept: in 16 bits rounded up or down at random, with the mean kept, by bits of a key. */
const kept = (t: Tensor, type: StateType, key: () => Tensor): Tensor =>
  type === "f32" ? t : roundRandom(wide(t), bits(key(), t.shape), type);

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

/** How an optimizer keeps its numbers from step to step. */
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
  readonly storage?: StateType;
  /** How the weights that are trained lie in memory, rounded likewise. Default "f32", whatever they came in. */
  readonly weights?: StateType;
}

/**
 * Lifts the rule of one parameter over trees: w' = w + change, leaf by leaf, all arithmetic f32. Laws: a leaf's result does not depend on the
 * other leaves, nor on where it stands in the tree; the second step compiles nothing.
 * Errors: InputError for what is no rule; later, ShapeError where it answers with other shapes, slots or scalars than it names.
 */
export const optimizer = (
  given: Rule,
  { compensated = false, storage = "f32", weights = "f32" }: LiftOptions = {},
): Optimizer => {
  const rule = checkedRule(given);
  checkType(rule.name, "storage", storage);
  checkType(rule.name, "weights", weights);
  const coarse = new Set(rule.coarse);
  const typeOfSlot = (slot: string): StateType => (coarse.has(slot) ? storage : "f32");
  const shapeOf = (slot: string, shape: Shape): Shape => rule.slotShape?.(slot, shape) ?? shape;
  const slotNames = compensated ? [...rule.slots, "lost"] : rule.slots;
  const rounded = [...slotNames.filter((slot) => typeOfSlot(slot) !== "f32"), ...(weights === "f32" ? [] : ["w"])];

  /** One parameter after a step, as it is kept: `w` and the slots. */
  const stepLeaf = (w: Tensor, grad: Tensor, slots: Slots, now: Now, keyOf: (what: string) => Tensor): Slots => {
    const { lost, ...own } = slots;
    const out = rule.step(grad, own, now);
    const change = compensated ? add(out.change, lost) : out.change;
    const next = kept(add(w, change), weights, () => keyOf("w"));
    const after = compensated ? { ...out.slots, lost: sub(change, sub(next, w)) } : out.slots;
    return { ...mapSlots(after, (slot, t) => kept(t, typeOfSlot(slot), () => keyOf(slot))), w: next };
  };

  const checkLeaf = (name: string, w: Tensor, grad: Tensor, tau?: Tensor, anchor?: Tensor): void => {
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
    if (given.some(([, t]) => !isFloating(t.dtype) || !sameShape(t.shape, w.shape)))
      throw new ShapeError(`${call}: they differ`, "base, reference and policy must have one architecture");
  };

  return {
    name: rule.name,
    storage,
    usesTau: rule.usesTau,
    usesAnchor: rule.usesAnchor === true,
    usesMask: rule.usesMask === true,
    init: (params, { seed = 0 } = {}) => ({
      step: scalar(0, "i32"),
      key: keyOf(seed),
      scalars: Object.fromEntries(rule.scalars.map((name) => [name, scalar(0)])),
      params: treeMap((w) => cast(w, weights), params),
      slots: Object.fromEntries(
        slotNames.map((name) => [name, treeMap((w) => zeros(shapeOf(name, w.shape), typeOfSlot(name)), params)]),
      ),
    }),
    prepare: (refDelta, key, masks) => {
      return treeMap((tau, name) => {
        // Each for itself: leaves of one shape are one program.
        const keys = keysOf(key, 0, [name], ["tau"]);
        const draw = masksOf(keys, masks, `${rule.name}.prepare`)(name, tau);
        return kept(rule.prepare(wide(tau), draw), storage, () => keys.rounding("tau", name));
      }, refDelta);
    },
    update: (state, grads, { lr, tau: taus, anchor: anchors, masks }) => {
      if (rule.usesTau && taus === undefined)
        throw new InputError(`${rule.name}: update needs tau: prepare(refDelta, state.key) makes it`);
      if (rule.usesAnchor && anchors === undefined)
        throw new InputError(`${rule.name}: update needs anchor: the reference weights`);
      if (rule.usesMask && masks?.gradient === undefined)
        throw new InputError(`${rule.name}: update needs masks.gradient: jointMask(squared gradients, p) makes it`);
      const step = add(state.step, 1);
      const rate = typeof lr === "number" ? scalar(lr) : lr;
      if (!isTensor(rate) || rate.shape.length > 0)
        throw new ShapeError(`${rule.name}: lr is ${isTensor(rate) ? typeOf(rate) : typeof rate}; it must be a scalar`);
      const scalars: Scalars = rule.advance(state.scalars, rate);
      const params = new Map(namedLeaves(state.params));
      const keys = keysOf(state.key, step, [...params.keys()], rounded);
      const drawFor = masksOf(keys, masks, rule.name);
      const gradOf = byName(grads, params, "the gradient", rule.name);
      const tauOf = taus === undefined || !rule.usesTau ? undefined : byName(taus, params, "tau", rule.name);
      const anchorOf =
        anchors === undefined || !rule.usesAnchor ? undefined : byName(anchors, params, "anchor", rule.name);
      const maskOf = rule.usesMask ? byName(masks?.gradient as Tree, params, "masks.gradient", rule.name) : undefined;
      const slotsOf = slotNames.map((slot) => [slot, new Map(namedLeaves(state.slots[slot]))] as const);

      const next = new Map<string, Slots>();
      for (const [name, before] of params) {
        const stored = Object.fromEntries(slotsOf.map(([slot, tensors]) => [slot, tensors.get(name) as Tensor]));
        const grad = gradOf.get(name);
        if (grad === undefined) {
          next.set(name, { ...stored, w: before });
          continue;
        }
        const [tau, anchor] = [tauOf?.get(name), anchorOf?.get(name)];
        checkLeaf(name, before, grad, tau, anchor);
        if (maskOf?.has(name) === false)
          throw new ShapeError(`${rule.name}: "${name}": masks.gradient has no tensor of this name`);
        const w = wide(before);
        const context = { name, w, lr: rate, tau: tau && wide(tau), anchor: anchor && wide(anchor), scalars };
        const now: Now = { ...context, draw: drawFor(name, w) };
        const slots = mapSlots(stored, (_, t) => wide(t));
        next.set(
          name,
          stepLeaf(w, wide(grad), slots, now, (what) => keys.rounding(what, name)),
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
