import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { loop } from "../loops/loop.js";
import { placeholder } from "../ops/leaf.js";
import { concat, reshape, sliceAxis } from "../ops/view.js";
import { typeOf } from "../print.js";
import { isTensor, type Tensor } from "../tensor.js";
import { leaves, namedLeaves, type Tree, treeMap, unflatten } from "../tree.js";
import { tensors } from "./grad.js";

/** How a scan runs. */
export interface ScanOptions {
  /** How many steps; default: as many as `xs` has rows. Needed where there are no `xs`. */
  readonly length?: number;
  /** From the last row of `xs` to the first; `ys` stay in the order of `xs`. Default: false. */
  readonly reverse?: boolean;
  /**
   * For the gradient the carry of each step is kept, or that of every `every`-th step, from which those between are computed
   * again: 1 keeps all. Default: 1 up to 64 steps, √length beyond.
   */
  readonly every?: number;
}

/** Up to so many steps all carries are kept. */
const FEW = 64;

type Step = (carry: Tree, x: Tree | undefined) => readonly [Tree, Tree | undefined];

/** No tensors are a tree without any. */
const given = (tree: Tree | undefined | null): Tree => tree ?? [];

const describe = (leaf: readonly [string, Tensor] | undefined): string =>
  leaf === undefined ? "nothing" : `${typeOf(leaf[1])}${leaf[0] === "" ? "" : ` at "${leaf[0]}"`}`;

/** Throws unless a step hands on what it was given: the same structure, shapes and dtypes. */
const checkCarry = (init: Tree, next: Tree): void => {
  const [was, is] = [namedLeaves(init), namedLeaves(next)];
  for (let i = 0; i < Math.max(was.length, is.length); i++) {
    if (describe(was[i]) === describe(is[i])) continue;
    throw new ShapeError(
      `scan: the carry begins as ${describe(was[i])}, and the step makes ${describe(is[i])} of it`,
      "a step must hand on the structure, shapes and dtypes that it was given",
    );
  }
};

const lengthOf = (xs: Tree, length: number | undefined): number => {
  const named = namedLeaves(xs);
  for (const [path, x] of named) {
    if (x.shape.length === 0)
      throw new ShapeError(`scan: xs ${describe([path, x])} has no axis to walk`, "close over what every step sees");
    const [first] = x.shape;
    const wanted = length ?? named[0][1].shape[0];
    if (first !== wanted)
      throw new ShapeError(
        `scan: xs ${describe([path, x])} has ${first} rows, for ${wanted} steps`,
        "all of xs need the same number of rows, which is `length` where it is given",
      );
  }
  const steps = length ?? named[0]?.[1].shape[0];
  if (steps === undefined) throw new ShapeError("scan: how many steps?", "give xs, or { length }");
  if (!Number.isInteger(steps) || steps < 0) throw new ShapeError(`scan: length ${steps} is not an integer ≥ 0`);
  return steps;
};

/** One loop, of which the gradient keeps every carry. */
const flat = (f: Step, init: Tree, xs: Tree, length: number, reverse: boolean): [Tree, Tree] => {
  const carry = treeMap((t) => placeholder(t.shape, t.dtype), init);
  const row = treeMap((t) => placeholder(t.shape.slice(1), t.dtype), xs);
  const [next, made] = f(carry, leaves(row).length === 0 ? undefined : row);
  checkCarry(init, next);
  const y = given(made);
  const body = { carries: leaves(carry), rows: leaves(row), shared: [], next: leaves(next), made: leaves(y) };
  const parts = loop(body, leaves(init), leaves(xs), { length, reverse });
  return [unflatten(init, parts.carries), unflatten(y, parts.made)];
};

/** A loop over blocks of `every` steps, each a loop that the gradient runs again, and one over the steps that are left. */
const inBlocks = (f: Step, init: Tree, xs: Tree, length: number, reverse: boolean, every: number): [Tree, Tree] => {
  const blocks = Math.floor(length / every);
  const whole = blocks * every;
  const cut = (from: number, to: number) => treeMap((t) => sliceAxis(t, 0, from, to), xs);
  const block: Step = (carry, some) => flat(f, carry, given(some), every, reverse);
  const ofBlocks = (start: Tree): [Tree, Tree] => {
    const rows = treeMap((t) => reshape(t, [blocks, every, ...t.shape.slice(1)]), cut(0, whole));
    const [last, ys] = flat(block, start, rows, blocks, reverse);
    return [last, treeMap((t) => reshape(t, [whole, ...t.shape.slice(2)]), ys)];
  };
  const ofRest = (start: Tree) => flat(f, start, cut(whole, length), length - whole, reverse);
  if (whole === length) return ofBlocks(init);
  const [first, second] = reverse ? [ofRest, ofBlocks] : [ofBlocks, ofRest];
  const [between, ys] = first(init);
  const [last, more] = second(between);
  const [front, back] = reverse ? [leaves(more), leaves(ys)] : [leaves(ys), leaves(more)];
  return [
    last,
    unflatten(
      ys,
      front.map((t, i) => concat([t, back[i]], 0)),
    ),
  ];
};

/**
 * A loop with state: f(carry, x) → [carry, y] for each row x of `xs`, one after the other → [last carry, ys], where ys has the ys
 * stacked along axis 0.
 * init, and every carry: a tree; xs: a tree of [N, …], or undefined, with `length`; y: a tree, or undefined for none.
 * f is traced and planned once, whatever N is, and may use any tensor around it, with gradient too. The gradient is a scan
 * backwards, which computes each step again from its carry (`every`).
 * Errors: ShapeError if the carry changes structure, shape or dtype, rows differ in number, or nobody says how many steps.
 * @example scan((sum: Tensor, x: Tensor) => [add(sum, x), sum], tensor(0), tensor([1, 2, 3])) // 6 and [0, 1, 3]
 */
export function scan<C extends Tree, X extends Tree, Y extends Tree>(
  f: (carry: C, x: X) => readonly [C, Y],
  init: C,
  xs: X,
  options?: ScanOptions,
): [carry: C, ys: Y];
export function scan<C extends Tree, X extends Tree | undefined, Y extends Tree | undefined>(
  f: (carry: C, x: X) => readonly [C, Y],
  init: C,
  xs: X,
  options?: ScanOptions,
): [carry: C, ys: Y];
export function scan(f: Step, init: Tree, xs: Tree | undefined, options: ScanOptions = {}): [Tree, Tree | undefined] {
  expects("scan", "function any any {length:number,reverse:flag,every:number}", f, init, xs, options);
  const { length, reverse = false, every } = options;
  const [start] = tensors([init]);
  const rows = given(xs);
  const steps = lengthOf(rows, length);
  const kept = every ?? (steps > FEW ? Math.ceil(Math.sqrt(steps)) : 1);
  if (!Number.isInteger(kept) || kept < 1) throw new ShapeError(`scan: every ${kept} is not an integer ≥ 1`);
  let isNone = false;
  const step: Step = (carry, x) => {
    const pair: unknown = f(carry, x);
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new ShapeError(
        `scan: the step gives ${isTensor(pair) ? typeOf(pair) : Array.isArray(pair) ? `a list of ${pair.length}` : typeof pair}, not [carry, y]`,
        "y may be undefined: return [carry, undefined]",
      );
    const [next, y] = pair as [Tree, Tree | undefined];
    isNone = y === undefined || y === null;
    return [next, y];
  };
  const [carry, ys] =
    kept === 1 || steps === 0
      ? flat(step, start, rows, steps, reverse)
      : inBlocks(step, start, rows, steps, reverse, Math.min(kept, steps));
  return [carry, isNone ? undefined : ys];
}
