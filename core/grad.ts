import { isFloating } from "./dtype.js";
import { ShapeError } from "./errors.js";
import { ones, zeros } from "./ops/leaf.js";
import { variable } from "./ops/marker.js";
import { indexOf, partOp } from "./ops/parts.js";
import { add } from "./ops/pointwise.js";
import { typeOf } from "./print.js";
import { sameShape } from "./shape.js";
import { reachable, type Tensor } from "./tensor.js";
import { leaves, type Tree, treeMap, treeZip, unflatten } from "./tree.js";

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

/** Tensors of a tree as fresh variables, so that the same tensor captured elsewhere stays constant. */
const fresh = <T extends Tree>(tree: T): T => treeMap(variable, tree);

/** How `valueAndGrad` goes about it. */
export interface GradientOptions<P extends Tree> {
  /** A tree like the gradient, f32, that it is added to, term by term: gradients of several batches. */
  readonly onto?: P;
}

/**
 * f's value and the gradient by its first argument: (…args) → [value, gradient]. f returns a scalar, or [scalar, aux] with
 * `aux: true`, then value is that pair. Errors: ShapeError if f's value is not a f32 scalar, or `onto` differs from the argument
 * in structure or shape.
 */
export function valueAndGrad<P extends Tree, R extends Tree[]>(
  f: (params: P, ...rest: R) => Tensor,
  options?: GradientOptions<P>,
): (params: P, ...rest: R) => [value: Tensor, grad: P];
export function valueAndGrad<P extends Tree, R extends Tree[], X extends Tree>(
  f: (params: P, ...rest: R) => [Tensor, X],
  options: { aux: true } & GradientOptions<P>,
): (params: P, ...rest: R) => [value: [Tensor, X], grad: P];
export function valueAndGrad<P extends Tree, R extends Tree[], X extends Tree>(
  f: (params: P, ...rest: R) => Tensor | [Tensor, X],
  { onto }: { aux?: true } & GradientOptions<P> = {},
) {
  return (params: P, ...rest: R) => {
    const variables = fresh(params);
    const value = f(variables, ...rest);
    const loss = Array.isArray(value) ? value[0] : value;
    if (loss.shape.length > 0 || loss.dtype !== "f32")
      throw new ShapeError(`grad: the function gives ${typeOf(loss)}, not an f32 scalar`, "sum or mean it first");
    const wrt = leaves(variables);
    const sums = onto === undefined ? [] : leaves(treeZip(([, sum]) => sum, variables, onto)); // as many as there are leaves
    sums.forEach((sum, i) => {
      if (sum.dtype !== "f32" || !sameShape(sum.shape, wrt[i].shape))
        throw new ShapeError(
          `valueAndGrad: a gradient of ${typeOf(wrt[i])} onto ${typeOf(sum)}`,
          "it must be f32, of that shape",
        );
    });
    return [value, unflatten(params, vjpOf([loss], [ones([])], wrt, sums))];
  };
}

/** The gradient of a scalar function by its first argument: (…args) → tree like the argument. */
export const grad =
  <P extends Tree, R extends Tree[]>(f: (params: P, ...rest: R) => Tensor) =>
  (params: P, ...rest: R): P =>
    valueAndGrad(f)(params, ...rest)[1];

/**
 * f's value at the arguments, and the function that pulls its cotangents back to them: a tree like the value → trees like
 * the arguments. Errors: ShapeError if the cotangents differ from the value in structure or shape.
 */
export const vjp = <A extends Tree[], T extends Tree>(
  f: (...args: A) => T,
  ...args: A
): [value: T, pullback: (ct: T) => A] => {
  const variables = fresh(args);
  const value = f(...variables);
  const pullback = (ct: T): A => {
    const cts = leaves(treeZip(([, c]) => c, value, ct)); // as many as there are outputs, in their order
    return unflatten(args, vjpOf(leaves(value), cts, leaves(variables)));
  };
  return [value, pullback];
};
