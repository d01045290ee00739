import { isFloating } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { zeros } from "../ops/leaf.js";
import { variable } from "../ops/marker.js";
import { typeOf } from "../print.js";
import { sameShape } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { leaves, type Tree, treeMap, treeZip, unflatten } from "../tree.js";
import { grad, tensors, vjpOf } from "./grad.js";

/** Throws unless each tangent has its tensor's structure and shape. */
const checkTangents = (primals: readonly Tree[], tangents: readonly Tree[]): void => {
  if (primals.length !== tangents.length)
    throw new ShapeError(
      `jvp: ${tangents.length} tangents for ${primals.length} primals`,
      "jvp(f, [x, y], [dx, dy]): as many as f has arguments",
    );
  treeZip(
    ([x, dx], path) => {
      if (!sameShape(x.shape, dx.shape))
        throw new ShapeError(`jvp: tangent ${typeOf(dx)} at "${path}", of ${typeOf(x)}`, "they must have one shape");
      return x;
    },
    primals,
    tangents,
  );
};

/**
 * The tangents of some outputs: vjp is linear in its cotangents, and its transpose is jvp. So no op needs a rule for this, and
 * the pullback itself, which no tangent depends on, is never computed.
 */
const tangentsOf = (outputs: readonly Tensor[], wrt: readonly Tensor[], tangents: readonly Tensor[]): Tensor[] => {
  const floats = outputs.filter((t) => isFloating(t.dtype));
  const cts = floats.map((t) => variable(zeros(t.shape)));
  const pairs = wrt.flatMap((x, i) => (isFloating(x.dtype) ? [{ x, dx: tangents[i] }] : []));
  const pulled = vjpOf(
    floats,
    cts,
    pairs.map(({ x }) => x),
  );
  const found = vjpOf(
    pulled,
    pairs.map(({ dx }) => dx),
    cts,
  );
  return outputs.map((t) => (isFloating(t.dtype) ? (found.shift() as Tensor) : zeros(t.shape, t.dtype)));
};

/**
 * f's value at the primals, and how it changes along the tangents: jvp(f, [x], [dx]) = [f(x), f'(x)·dx].
 * primals: f's arguments; tangents: trees like them. → [value, tangent of the value], alike too; tangents are f32, those of integers zeros,
 * and tangents of integer arguments are not read. About the cost of f and as much again.
 * Errors: ShapeError if tangents differ from primals in structure or shape.
 * @example jvp((x: Tensor) => square(x), [tensor([1, 2])], [tensor([1, 0])]) // [1, 4] and [2, 0]
 */
export const jvp = <A extends readonly unknown[], T extends Tree>(
  f: (...primals: A) => T,
  primals: readonly [...A],
  tangents: { readonly [K in keyof A]: A[K] },
): [value: T, tangent: T] => {
  expects("jvp", "function list list", f, primals, tangents);
  const [xs, dxs] = [tensors(primals), tensors(tangents)];
  checkTangents(xs, dxs);
  const variables = treeMap(variable, xs);
  const value = f(...(variables as unknown as A));
  return [value, unflatten(value, tangentsOf(leaves(value), leaves(variables), leaves(dxs)))];
};

/**
 * The Hessian of a scalar function times a vector, without the Hessian: how the gradient by the first argument changes along
 * `tangents`.  hvp(f, [x], [v]) = f''(x)·v, a tree like x.
 * @example hvp((x: Tensor) => sum(mul(x, square(x))), [tensor([1, 2])], [tensor([1, 1])]) // [6, 12]
 */
export const hvp = <A extends unknown[]>(
  f: (...primals: A) => Tensor,
  primals: readonly [...A],
  tangents: { readonly [K in keyof A]: A[K] },
): Exclude<A[0], number> => {
  expects("hvp", "function list list", f, primals, tangents);
  return jvp(grad(f) as (...primals: A) => Tree, primals, tangents)[1] as Exclude<A[0], number>;
};
