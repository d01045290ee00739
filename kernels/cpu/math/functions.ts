import type { V128 } from "../wasm/expression.js";
import { type Body, call } from "../wasm/module.js";
import { exp, sigmoid } from "./f32.js";
import { cos, erf, log, sin, softplus, tanh } from "./f64.js";

const bodies = { exp, sigmoid, log, tanh, softplus, erf, sin, cos };

export type MathName = keyof typeof bodies;

/** Calls a function of four f32 lanes; it becomes part of the module on its first use there. */
export const mathCall = (body: Body, name: MathName, x: V128): V128 => {
  const { module } = body;
  const fn = module.once(`math.${name}`, () =>
    module.func({ params: ["v128"], result: "v128" }, (inner, value) => inner.return(bodies[name](inner, value))),
  );
  return call(fn, x);
};
