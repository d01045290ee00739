import { isFloating } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { expects } from "../expects.js";
import { zeros } from "../ops/leaf.js";
import { part, tuple } from "../ops/parts.js";
import { typeOf } from "../print.js";
import { sameShape } from "../shape.js";
import { node, type Op, type Tensor } from "../tensor.js";
import { leaves, type Tree, treeKey, treeZip, unflatten } from "../tree.js";
import { tensors } from "./grad.js";

/** Cotangents of an argument, in its structure and shapes. */
const cotangentsOf = (arg: Tree, ct: Tree, i: number): Tensor[] =>
  leaves(
    treeZip(
      ([x, c], path) => {
        if (isFloating(x.dtype) && !sameShape(x.shape, c.shape))
          throw new ShapeError(
            `customVjp: backward gives ${typeOf(c)} for argument ${i}${path === "" ? "" : `.${path}`}, which is ${typeOf(x)}`,
            "a cotangent has the shape of what it is of; null stands for none",
          );
        return c;
      },
      arg,
      ct,
    ),
  );

/**
 * f with a gradient of its own.
 * forward(…args) → [f's value, residuals]; backward(residuals, ct) → a list of cotangents, one for each argument, a tree like it or
 * null for none; ct is a tree like f's value, and residuals are any tree.
 * vmap keeps the rule, and it is differentiated in turn. The rule stands for a linear map of ct: jvp transposes it. f, forward and
 * backward must be pure, since they are called whenever their graph is needed; tensors that they capture count as constants.
 * Errors: ShapeError where forward or backward give another structure or shape.
 * @example const clipped = customVjp((x: Tensor) => x, (x: Tensor) => [x, []], (_, ct) => [clip(ct, -1, 1)]); grad((x: Tensor) => mul(clipped(x), 3))(tensor(2)) // 1
 */
export const customVjp = <A extends readonly unknown[], T extends Tree, R extends Tree>(
  f: (...args: A) => T,
  forward: (...args: A) => readonly [value: T, residuals: R],
  backward: (residuals: R, ct: T) => { readonly [K in keyof A]: Exclude<A[K], number> | null },
): ((...args: A) => T) => {
  expects("customVjp", "function function function", f, forward, backward);
  return (...args) => {
    const given = tensors(args);
    const as = (inputs: readonly Tensor[]) => unflatten(given, inputs) as unknown as A;
    const value = f(...as(leaves(given)));
    const outputs = leaves(value);
    const op: Op = {
      name: "customVjp",
      kind: "closure",
      expand: (_, inputs) => tuple(leaves(f(...as(inputs)))),
      vjpOfParts: (cts, inputs) => {
        const [again, residuals] = forward(...as(inputs));
        if (treeKey(again) !== treeKey(value))
          throw new ShapeError(
            `customVjp: forward gives ${treeKey(again)}, and the function ${treeKey(value)}`,
            "forward returns [the function's value, residuals]",
          );
        const ct = outputs.map((t, i) => cts[i] ?? zeros(t.shape, isFloating(t.dtype) ? "f32" : t.dtype));
        const found = backward(residuals, unflatten(value, ct)) as readonly (Tree | null)[];
        if (!Array.isArray(found) || found.length !== given.length)
          throw new ShapeError(
            `customVjp: backward gives no list of ${given.length} cotangents, one for each argument`,
          );
        return given.flatMap((arg, i) => {
          const own = found[i];
          return own === null || own === undefined ? leaves(arg).map(() => null) : cotangentsOf(arg, own, i);
        });
      },
    };
    const all = node(op, leaves(given), {}, [], "f32");
    return unflatten(
      value,
      outputs.map((t, i) => part(all, i, t)),
    );
  };
};
