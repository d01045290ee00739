import type { V128 } from "../wasm/expression.js";
import { type Body, call } from "../wasm/module.js";
import { exp, sigmoid } from "./f32.js";
import { atan, cos, erf, expm1, log, log1p, sin, softplus, tanh } from "./f64.js";

const bodies = { exp, expm1, sigmoid, log, log1p, tanh, softplus, erf, sin, cos, atan };

export type MathName = keyof typeof bodies;

/** Calls a function of four f32 lanes; it becomes part of the module on its first use there. */
export const mathCall = (body: Body, name: MathName, x: V128): V128 => {
  const { module } = body;
  const fn = module.once(`math.${name}`, () =>
    module.func({ params: ["v128"], result: "v128" }, (inner, value) => inner.return(bodies[name](inner, value))),
  );
  return call(fn, x);
};
