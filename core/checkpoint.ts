import { vjpOf } from "./grad.js";
import { after, variable } from "./ops/marker.js";
import { node, type Op, type Tensor } from "./tensor.js";

/**
 * f, but its intermediate values are computed again in the backward pass instead of being kept: memory for compute.
 *   const layer = checkpoint((x, w) => …)          f: tensors → one tensor; the numbers do not change.
 * Tensors that f captures count as constants: pass what needs a gradient.  Chen et al. 2016.
 */
export const checkpoint = <A extends Tensor[]>(f: (...inputs: A) => Tensor): ((...inputs: A) => Tensor) => {
  const op: Op = {
    name: "checkpoint",
    kind: "closure",
    expand: (_, inputs) => f(...(inputs as A)),
    vjp: (ct, inputs) => {
      const again = inputs.map((x) => after(x, ct)); // recomputed once ct is known
      return vjpOf([f(...(again as A))], [ct], again);
    },
  };
  return (...inputs) => {
    const out = f(...(inputs.map(variable) as A));
    return node(op, inputs, {}, out.shape, out.dtype);
  };
};
