import { expects } from "../expects.js";
import { node, type Op, type Tensor } from "../tensor.js";

/** Same numbers, another node. */
const identity = (name: string, vjp?: Op["vjp"]): Op => ({ name, kind: "marker", evaluate: ([x]) => x.data, vjp });

const stopOp = identity("stopGradient");
/**
 * x, a constant for grad. [...S] → [...S].
 * @example grad((x: Tensor) => mul(x, stopGradient(x)))(tensor(3)) // 3
 */
export const stopGradient = (x: Tensor): Tensor => {
  expects("stopGradient", "tensor", x);
  return node(stopOp, [x], {}, x.shape, x.dtype);
};

const variableOp = identity("variable", (ct) => [ct]);
/** A fresh node for x: what grad differentiates by, so that x used elsewhere stays a constant. */
export const variable = (x: Tensor): Tensor => node(variableOp, [x], {}, x.shape, x.dtype);

const afterOp = identity("after", (ct) => [ct, null]);
/** x, computed again once `trigger` is known: keeps a recomputed graph apart from the one it repeats. */
export const after = (x: Tensor, trigger: Tensor): Tensor => node(afterOp, [x, trigger], {}, x.shape, x.dtype);
