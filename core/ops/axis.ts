import type { Tensor } from "../tensor.js";
import { permute } from "./view.js";

/** One axis where another is, both from 0 on; the others keep their order. */
export const withAxisAt = (x: Tensor, from: number, to: number): Tensor => {
  const order = x.shape.map((_, i) => i).filter((axis) => axis !== from);
  order.splice(to, 0, from);
  return permute(x, order);
};
