import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { withAxisAt } from "../ops/axis.js";
import { broadcastTo } from "../ops/broadcast.js";
import { placeholder } from "../ops/leaf.js";
import { typeOf } from "../print.js";
import { normalAxis } from "../shape.js";
import { type Batched, isTensor, type Tensor } from "../tensor.js";
import { leaves, type Tree, treeMap } from "../tree.js";
import { batchGraph } from "./batch.js";

/** An axis for every tensor of a tree, null for none, or axes for each of its parts. */
export type Axes = number | null | readonly Axes[] | { readonly [name: string]: Axes };

/** Which axes of arguments and results are the examples'. */
export interface VmapOptions {
  /**
   * The axis along which an argument holds examples; null: all examples share it. One for all arguments, or a list of one for each.
   * Default: 0.
   */
  readonly inAxes?: number | readonly Axes[];
  /** The axis along which a result holds those of the examples; null: it is the same for all. Default: 0. */
  readonly outAxes?: Axes;
}

const describe = (tree: unknown): string =>
  isTensor(tree) ? typeOf(tree) : Array.isArray(tree) ? `a list of ${tree.length}` : `{ ${Object.keys(tree ?? {})} }`;

/** A tree with each part that has an axis of its own, or none, replaced by f(part, axis, path). */
const mapAxes = (
  axes: Axes,
  tree: unknown,
  path: string,
  f: (part: unknown, axis: number | null, path: string) => unknown,
): unknown => {
  if (axes === null || typeof axes === "number") return f(tree, axes, path);
  const isList = Array.isArray(axes);
  const [wanted, own] = [axes, isTensor(tree) ? {} : (tree ?? {})].map((x) => Object.keys(x).sort());
  if (isList !== Array.isArray(tree) || wanted.join() !== own.join())
    throw new ShapeError(
      `vmap: axes ${JSON.stringify(axes)} do not fit ${path}, which is ${describe(tree)}`,
      "give one axis for all of it, or axes of its structure",
    );
  const part = (key: string | number) =>
    mapAxes((axes as Record<string, Axes>)[key], (tree as Record<string, unknown>)[key], `${path}.${key}`, f);
  return isList ? axes.map((_, i) => part(i)) : Object.fromEntries(wanted.map((key) => [key, part(key)]));
};

/**
 * f over a batch of examples: it is written for one, and each op of its graph is done for all of them at once.
 * vmap(f, { inAxes: [null, 0] })(w, xs) is [B, …] of what f(w, x) gives, x a row of xs.
 * Nests, and goes together with grad, jvp and scan in any order. Fused ops stay what they are.
 * Errors: ShapeError if no argument has examples, their numbers differ, or axes do not fit.
 * @example vmap((x: Tensor) => sum(x))(tensor([[1, 2], [3, 4]])) // [3, 7]
 */
export const vmap = <A extends readonly unknown[], T extends Tree>(
  f: (...args: A) => T,
  options: VmapOptions = {},
): ((...args: A) => T) => {
  expects("vmap", "function {inAxes,outAxes}", f, options);
  const { inAxes = 0, outAxes = 0 } = options;
  return (...args) => {
    const axes = typeof inAxes === "number" ? args.map(() => inAxes) : inAxes;
    if (!Array.isArray(axes))
      throw new ShapeError(
        `vmap: inAxes ${JSON.stringify(axes)} is neither an axis nor a list`,
        "write { inAxes: [0, null] }: one for each argument",
      );
    if (axes.length !== args.length)
      throw new ShapeError(`vmap: inAxes has ${axes.length} axes for ${args.length} arguments`);
    const stands = new Map<Tensor, Batched>();
    let first: { readonly size: number; readonly of: string } | undefined;
    const example = (x: Tensor, axis: number, path: string): Tensor => {
      const at = normalAxis(axis, x.shape.length, `vmap: ${path}, ${typeOf(x)}`);
      const of = `${path}, ${typeOf(x)}, has ${x.shape[at]} on axis ${at}`;
      first ??= { size: x.shape[at], of };
      if (first.size !== x.shape[at])
        throw new ShapeError(`vmap: ${first.of}, and ${of}`, "all that has examples needs the same number of them");
      const one = placeholder(
        x.shape.filter((_, i) => i !== at),
        x.dtype,
      );
      stands.set(one, { x: withAxisAt(x, at, 0), isBatched: true });
      return one;
    };
    const examples = args.map((arg, i) =>
      mapAxes(axes[i], arg, `argument ${i}`, (part, axis, path) =>
        axis === null
          ? part
          : treeMap((x, name) => example(x, axis, name === "" ? path : `${path}.${name}`), part as Tree),
      ),
    );
    if (first === undefined)
      throw new ShapeError("vmap: no argument has examples", "give one of them an axis: { inAxes: [null, 0] }");
    const { size } = first;
    const made = f(...(examples as unknown as A));
    const all = batchGraph(leaves(made), size, stands);
    const give = (axis: number | null, path: string): Tensor => {
      const { x, isBatched } = all.shift() as Batched;
      if (axis === null && isBatched)
        throw new ShapeError(`vmap: ${path} differs from example to example, and outAxes has null for it`);
      if (axis === null) return x;
      const whole = isBatched ? x : broadcastTo(x, [size, ...x.shape]);
      return withAxisAt(whole, 0, normalAxis(axis, whole.shape.length, `vmap: ${path}, ${typeOf(whole)}`));
    };
    return mapAxes(outAxes, made, "the result", (part, axis, path) =>
      treeMap((_, name) => give(axis, name === "" ? path : `${path}.${name}`), part as Tree),
    ) as T;
  };
};
