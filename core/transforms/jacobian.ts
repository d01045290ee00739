import { isFloating } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { cast } from "../ops/cast.js";
import { iota, zeros } from "../ops/leaf.js";
import { equal } from "../ops/pointwise.js";
import { permute, reshape } from "../ops/view.js";
import { typeOf } from "../print.js";
import { sizeOf } from "../shape.js";
import { isTensor, type Tensor } from "../tensor.js";
import { leaves, namedLeaves, type Tree, treeMap, unflatten } from "../tree.js";
import { type ArgNums, type Picked, picked, vjp } from "./grad.js";
import { jvp } from "./jvp.js";
import { vmap } from "./vmap.js";

/** Which argument a Jacobian is taken by, and whether the function gives more than its value. */
export interface JacobianOptions<N extends ArgNums> {
  /** Differentiates by these arguments: by one, or by several, whose derivatives come as a list. Default: 0, the first. */
  readonly argnums?: N;
}

/** The value's structure with P in the place of each tensor. */
export type Jacobian<T, P> = T extends Tensor ? Exclude<P, number> : { readonly [K in keyof T]: Jacobian<T[K], P> };

/** A tree with another one in the place of each tensor. */
const nest = (tree: Tree, parts: Tree[]): Tree => {
  if (isTensor(tree)) return parts.shift() as Tree;
  if (Array.isArray(tree)) return tree.map((part) => nest(part, parts));
  const keys = Object.keys(tree).sort();
  return Object.fromEntries(keys.map((key) => [key, nest((tree as Record<string, Tree>)[key], parts)]));
};

/** Every direction of a tensor: [n, …shape], n elements. */
const directions = ({ shape }: Tensor): Tensor => {
  const n = sizeOf(shape);
  return reshape(cast(equal(iota([n, n], 0), iota([n, n], 1)), "f32"), [n, ...shape]);
};

/** Throws unless a derivative makes sense. */
const checkFloats = (name: string, tree: Tree, what: string): void => {
  const other = namedLeaves(tree).find(([, x]) => !isFloating(x.dtype));
  if (other !== undefined)
    throw new ShapeError(
      `${name}: ${what} ${typeOf(other[1])}${other[0] === "" ? "" : ` at "${other[0]}"`} has no derivative`,
    );
};

type Derivative<A extends readonly unknown[], T, N extends ArgNums> = (...args: A) => Jacobian<T, Picked<A, N>>;

/** Zeros like all tensors of a tree but one, which is that. */
const only = (tree: Tree, at: number, x: Tensor): Tree =>
  unflatten(
    tree,
    leaves(tree).map((other, i) => (i === at ? x : zeros(other.shape))),
  );

/**
 * The Jacobian by forward mode, a direction of the argument at a time: best where the argument is the smaller one. In the place of
 * each tensor [...Y] of f's value a tree like the argument, with [...Y, ...X] for its [...X].
 * Errors: ShapeError for integers.
 */
export const jacfwd = <A extends readonly unknown[], T extends Tree, const N extends ArgNums = 0>(
  f: (...args: A) => T,
  options: JacobianOptions<N> = {},
): Derivative<A, T, N> => {
  expects("jacfwd", "function {argnums:axes}", f, options);
  return (...args) => {
    const { tree, place } = picked(args, options.argnums ?? 0, "jacfwd");
    checkFloats("jacfwd", tree, "argument");
    const of = (x: Tree): T => f(...(place(x) as unknown as A));
    let value: Tree = [];
    const columns = leaves(tree).map((x, at) => {
      const along = (dx: Tensor): Tree => {
        const [y, dy] = jvp(of, [tree], [only(tree, at, dx)]);
        value = y;
        return dy;
      };
      const all = vmap(along)(directions(x));
      return leaves(all).map((dy) => {
        const rank = dy.shape.length;
        const last = permute(dy, [...Array.from({ length: rank - 1 }, (_, i) => i + 1), 0]);
        return reshape(last, [...dy.shape.slice(1), ...x.shape]);
      });
    });
    checkFloats("jacfwd", value, "the value");
    const parts = leaves(value).map((_, i) =>
      unflatten(
        tree,
        columns.map((column) => column[i]),
      ),
    );
    return nest(value, parts) as Jacobian<T, Picked<A, N>>;
  };
};

/**
 * The Jacobian by reverse mode, an element of the value at a time: best where the value is the smaller one. The same tree as
 * `jacfwd`'s.  Errors: ShapeError for integers.
 * @example jacrev((x: Tensor) => square(x))(tensor([1, 2])) // [[2, 0], [0, 4]]
 */
export const jacrev = <A extends readonly unknown[], T extends Tree, const N extends ArgNums = 0>(
  f: (...args: A) => T,
  options: JacobianOptions<N> = {},
): Derivative<A, T, N> => {
  expects("jacrev", "function {argnums:axes}", f, options);
  return (...args) => {
    const { tree, place } = picked(args, options.argnums ?? 0, "jacrev");
    checkFloats("jacrev", tree, "argument");
    const [value, pullback] = vjp((x: Tree) => f(...(place(x) as unknown as A)) as Tree, tree);
    checkFloats("jacrev", value, "the value");
    const parts = leaves(value).map((y, at) => {
      const rows = vmap((ct: Tensor) => pullback(only(value, at, ct))[0])(directions(y));
      return treeMap((row) => reshape(row, [...y.shape, ...row.shape.slice(1)]), rows);
    });
    return nest(value, parts) as Jacobian<T, Picked<A, N>>;
  };
};

/**
 * All second derivatives of f, `jacfwd` of `jacrev`: [...X, ...X] of a scalar function of [...X].
 * @example hessian((x: Tensor) => sum(mul(x, square(x))))(tensor([1, 2])) // [[6, 0], [0, 12]]
 */
export const hessian = <A extends readonly unknown[], T extends Tree, const N extends ArgNums = 0>(
  f: (...args: A) => T,
  options: JacobianOptions<N> = {},
): Derivative<A, Jacobian<T, Picked<A, N>>, N> => {
  expects("hessian", "function {argnums:axes}", f, options);
  return jacfwd(jacrev(f, options) as (...args: A) => Tree, options) as Derivative<A, Jacobian<T, Picked<A, N>>, N>;
};
