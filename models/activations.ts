import { add, checkpoint, erf, mul, swiglu, type Tensor, tanh } from "../core/index.js";
import type { Activation } from "./config.js";

/** GELU: x/2 · (1 + erf(x/√2)).  Hendrycks & Gimpel 2016. */
const gelu = (x: Tensor): Tensor => mul(mul(0.5, x), add(1, erf(mul(Math.SQRT1_2, x))));

/** GELU by its tanh formula: x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))). */
const geluTanh = (x: Tensor): Tensor => {
  const cubic = add(x, mul(0.044715, mul(x, mul(x, x))));
  return mul(mul(0.5, x), add(1, tanh(mul(Math.sqrt(2 / Math.PI), cubic))));
};

/** f(gate) · up. The backward pass keeps the two, as it does for `swiglu`, and computes the few steps between them again. */
const gateOf = (f: (x: Tensor) => Tensor) => checkpoint((gate: Tensor, up: Tensor) => mul(f(gate), up));

/** The feed-forward network's gate: f(gate) · up, element by element.  Shazeer 2020. */
export const gated = {
  silu: swiglu,
  gelu: gateOf(gelu),
  geluTanh: gateOf(geluTanh),
} as const satisfies Record<Activation, (gate: Tensor, up: Tensor) => Tensor>;
