import { isFloating } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { ones, scalar, zeros } from "../ops/leaf.js";
import { variable } from "../ops/marker.js";
import { indexOf, partOp } from "../ops/parts.js";
import { add, type TensorLike } from "../ops/pointwise.js";
import { typeOf } from "../print.js";
import { sameShape } from "../shape.js";
import { isTensor, reachable, type Tensor } from "../tensor.js";
import { leaves, namedLeaves, type Tree, treeMap, treeZip, unflatten } from "../tree.js";

/**
 * Vector-Jacobian product, graph to graph: the cotangents of `wrt` given those of `outputs`. Reverse accumulation in
 * creation order; only nodes between wrt and outputs are visited, so none of wrt may depend on another. Zeros where nothing
 * depends. Cotangents are f32, those of bf16 and f16 tensors too. `onto`: what they are added to, term by term.
 */
export const vjpOf = (
  outputs: readonly Tensor[],
  cts: readonly Tensor[],
  wrt: readonly Tensor[],
  onto: readonly Tensor[] = [],
): Tensor[] => {
  const targets = new Set(wrt);
  const order = reachable(outputs, targets);
  const depends = new Set(wrt);
  for (const t of order) if (t.inputs.some((input) => depends.has(input))) depends.add(t);

  const cotangents = new Map<Tensor, Tensor>();
  /** Of nodes with several results, by result. */
  const several = new Map<Tensor, Tensor[]>();
  const accumulate = (t: Tensor, ct: Tensor) => {
    const known = cotangents.get(t);
    cotangents.set(t, known === undefined ? ct : add(known, ct));
  };
  onto.forEach((sum, i) => {
    accumulate(wrt[i], sum);
  });
  outputs.forEach((out, i) => {
    if (!sameShape(out.shape, cts[i].shape))
      throw new ShapeError(`vjp: cotangent ${typeOf(cts[i])} for an output ${typeOf(out)}`, "they must have one shape");
    if (isFloating(out.dtype)) accumulate(out, cts[i]);
  });
  for (let i = order.length - 1; i >= 0; i--) {
    const t = order[i];
    const [ct, cts] = [cotangents.get(t), several.get(t)];
    if (!depends.has(t)) continue;
    cotangents.delete(t);
    if (ct !== undefined && t.op === partOp) {
      const known = several.get(t.inputs[0]) ?? [];
      known[indexOf(t)] = known[indexOf(t)] === undefined ? ct : add(known[indexOf(t)], ct);
      several.set(t.inputs[0], known);
      continue;
    }
    const wanted = (input: number): boolean => depends.has(t.inputs[input]);
    const found =
      cts !== undefined
        ? t.op.vjpOfParts?.(cts, t.inputs, t, wanted)
        : ct !== undefined
          ? t.op.vjp?.(ct, t.inputs, t)
          : undefined;
    found?.forEach((inputCt, j) => {
      const input = t.inputs[j];
      if (inputCt !== null && isFloating(input.dtype) && depends.has(input)) accumulate(input, inputCt);
    });
  }
  return wrt.map((t) => cotangents.get(t) ?? zeros(t.shape, isFloating(t.dtype) ? "f32" : t.dtype));
};

/** Which arguments: one, by its position, or several. */
export type ArgNums = number | readonly number[];

/** The arguments that are meant: one, or as many as there are positions. */
export type Picked<A extends readonly unknown[], N extends ArgNums> = N extends readonly number[]
  ? { -readonly [K in keyof N]: A[N[K] & keyof A] }
  : A[N & keyof A];

/** Trees like arguments, in which a number is a tensor. */
export type Tangents<A extends readonly unknown[]> = { -readonly [K in keyof A]: Exclude<A[K], number> };

/** Arguments as trees: a number is an f32 scalar. */
export const tensors = (args: readonly unknown[]): readonly Tree[] =>
  args.map((arg) => (typeof arg === "number" ? scalar(arg) : (arg as Tree)));

/** Arguments of which some are meant, as a tree, and all of them with others in their place. */
export const picked = (args: readonly unknown[], argnums: ArgNums, name: string) => {
  expects(name, "any axes", args, argnums);
  const at = (typeof argnums === "number" ? [argnums] : argnums).map((n) => {
    if (Number.isInteger(n) && n >= -args.length && n < args.length) return n < 0 ? n + args.length : n;
    throw new ShapeError(`${name}: argnums ${n} of a function that was called with ${args.length} arguments`);
  });
  const some = tensors(at.map((n) => args[n]));
  return {
    tree: typeof argnums === "number" ? some[0] : some,
    place: (tree: Tree): unknown[] => {
      const all = [...args];
      at.forEach((n, i) => {
        all[n] = typeof argnums === "number" ? tree : (tree as readonly Tree[])[i];
      });
      return all;
    },
  };
};

/** Tensors of a tree as fresh variables, so that the same tensor captured elsewhere stays constant. */
const fresh = <T extends Tree>(tree: T): T => treeMap(variable, tree);

/** Of `grad` and `valueAndGrad`. */
export interface GradOptions<N extends ArgNums, X extends boolean> {
  /** Differentiates by these arguments: by one, or by several, whose gradients come as a list. Default: 0, the first. */
  readonly argnums?: N;
  /** f returns [scalar, aux], of which aux is handed on. Default: false. */
  readonly hasAux?: X;
  /** A tree like the gradient, f32, that it is added to, term by term: gradients of several batches. */
  readonly onto?: Tree;
  /** Integers and booleans among what it differentiates by are taken, and get zeros. Default: false, they are refused. */
  readonly allowInt?: boolean;
}

/** As ops of one operand are: it takes numbers too. */
type Scalar = (x: TensorLike) => Tensor;
type Differentiable = (...args: never[]) => Tensor | readonly [Tensor, unknown];

const differentiated = (name: string, f: Differentiable, options: GradOptions<ArgNums, boolean>) => {
  expects(name, "function {argnums:axes,hasAux:flag,onto,allowInt:flag}", f, options);
  const { argnums = 0, hasAux = false, onto, allowInt = false } = options;
  return (...args: unknown[]): [value: Tensor | readonly [Tensor, unknown], grad: Tree] => {
    const { tree, place } = picked(args, argnums, name);
    const whole = allowInt ? undefined : namedLeaves(tree).find(([, t]) => !isFloating(t.dtype));
    if (whole !== undefined)
      throw new ShapeError(
        `${name}: the argument is ${typeOf(whole[1])}${whole[0] === "" ? "" : ` at "${whole[0]}"`}, and gradients are of floats`,
        "choose others by argnums, or say { allowInt: true } for zeros",
      );
    const variables = fresh(tree);
    const value = f(...(place(variables) as never[]));
    const loss = hasAux && Array.isArray(value) ? value[0] : value;
    if (!isTensor(loss) || loss.shape.length > 0 || loss.dtype !== "f32")
      throw new ShapeError(
        `${name}: the function gives ${isTensor(loss) ? typeOf(loss) : typeof loss}, not an f32 scalar`,
        Array.isArray(loss) ? "say { hasAux: true } for [scalar, aux]" : "sum or mean it first",
      );
    const wrt = leaves(variables);
    const sums = onto === undefined ? [] : leaves(treeZip(([, sum]) => sum, variables, onto)); // as many as there are leaves
    sums.forEach((sum, i) => {
      if (sum.dtype !== "f32" || !sameShape(sum.shape, wrt[i].shape))
        throw new ShapeError(
          `valueAndGrad: a gradient of ${typeOf(wrt[i])} onto ${typeOf(sum)}`,
          "it must be f32, of that shape",
        );
    });
    return [value, unflatten(tree, vjpOf([loss], [ones([])], wrt, sums))];
  };
};

/**
 * f's value and its gradient: (…args) → [value, gradient], with `hasAux` [[value, aux], gradient]; the gradient is a tree like the
 * argument.  Errors: ShapeError if f's value is not an f32 scalar, an argument is of integers, or `onto` differs from the gradient.
 * @example valueAndGrad((x: Tensor) => sum(mul(x, x)))(tensor([1, 2])) // 5 and [2, 4]
 */
export function valueAndGrad(f: Scalar): (x: TensorLike) => [value: Tensor, grad: Tensor];
export function valueAndGrad<A extends unknown[], X, const N extends ArgNums = 0>(
  f: (...args: A) => readonly [Tensor, X],
  options: GradOptions<N, true>,
): (...args: A) => [value: [Tensor, X], grad: Picked<A, N>];
export function valueAndGrad<A extends unknown[], const N extends ArgNums = 0>(
  f: (...args: A) => Tensor,
  options?: GradOptions<N, false>,
): (...args: A) => [value: Tensor, grad: Picked<A, N>];
export function valueAndGrad(f: Differentiable, options: GradOptions<ArgNums, boolean> = {}): unknown {
  return differentiated("valueAndGrad", f, options);
}

/**
 * The gradient of a scalar function: (…args) → a tree like the argument, with `hasAux` [gradient, aux].
 * Errors: as `valueAndGrad`.
 * @example grad((x) => sum(mul(x, x)))(tensor([1, 2])) // [2, 4]
 */
export function grad(f: Scalar): (x: TensorLike) => Tensor;
export function grad<A extends unknown[], X, const N extends ArgNums = 0>(
  f: (...args: A) => readonly [Tensor, X],
  options: GradOptions<N, true>,
): (...args: A) => [grad: Picked<A, N>, aux: X];
export function grad<A extends unknown[], const N extends ArgNums = 0>(
  f: (...args: A) => Tensor,
  options?: GradOptions<N, false>,
): (...args: A) => Picked<A, N>;
export function grad(f: Differentiable, options: GradOptions<ArgNums, boolean> = {}): unknown {
  const both = differentiated("grad", f, options);
  return (...args: unknown[]) => {
    const [value, slope] = both(...args);
    return options.hasAux === true ? [slope, (value as readonly unknown[])[1]] : slope;
  };
}

/**
 * f's value at the arguments, and the function that pulls its cotangents back to them: a tree like the value → trees like
 * the arguments. Errors: ShapeError if the cotangents differ from the value in structure or shape.
 * @example const [y, pullback] = vjp((x: Tensor) => square(x), tensor([1, 2])); pullback(tensor([1, 1]))[0] // [2, 4]
 */
export const vjp = <A extends readonly unknown[], T extends Tree>(
  f: (...args: A) => T,
  ...args: A
): [value: T, pullback: (ct: T) => Tangents<A>] => {
  expects("vjp", "function", f);
  const variables = fresh(tensors(args));
  const value = f(...(variables as unknown as A));
  const pullback = (ct: T): Tangents<A> => {
    const [all] = tensors([ct]);
    const cts = leaves(treeZip(([, c]) => c, value, all)); // as many as there are outputs, in their order
    return unflatten(variables, vjpOf(leaves(value), cts, leaves(variables))) as Tangents<A>;
  };
  return [value, pullback];
};
