import { type DType, type HalfType, isFloating, isHalf, type PointwiseName } from "../../../core/index.js";
import type { Instruction } from "../../plan/steps.js";
import type { Builder } from "./module.js";
import { relations } from "./relations.js";

type Operation = Extract<Instruction, { readonly args: readonly number[] }>;

/** Text of one op; x, y, z are the operands' text. */
type Emit = (k: Builder, x: string, y: string, z: string, it: Operation) => string;

const call =
  (name: Parameters<Builder["helper"]>[0]): Emit =>
  (k, x) =>
    `${k.helper(name)}(${x})`;

const infix =
  (symbol: string): Emit =>
  (_, x, y) =>
    `${x} ${symbol} ${y}`;

/** Extremes keep NaN, as core does; WGSL's own may drop it. */
const extreme =
  (name: "max" | "min"): Emit =>
  (k, x, y, _, { from }) =>
    from === "f32" ? `${k.helper(`${name}_nan`)}(${x}, ${y})` : `${name}(${x}, ${y})`;

/** f32s are compared by a function of ours, all else by WGSL. */
const compare =
  (name: Parameters<Builder["helper"]>[0], others: Emit): Emit =>
  (k, x, y, z, it) =>
    it.from === "f32" ? `${k.helper(name)}(${x}, ${y})` : others(k, x, y, z, it);

/** From and to 16 bits by way of f32 only; in registers all these are f32. */
const cast: Emit = (k, x, _y, _z, { from, dtype }) => {
  if (from === dtype || isHalf(from)) return x;
  if (isHalf(dtype)) return `${k.helper(`${dtype}_value`)}(${k.helper(`${dtype}_code`)}(${x}))`;
  if (dtype === "bool") return from === "f32" ? `${k.helper("not_zero")}(${x})` : `${x} != ${from}(0)`;
  if (from === "bool" && dtype === "f32") return `select(${k.floatParam(0)}, ${k.floatParam(1)}, ${x})`;
  if (from === "bool") return `select(${dtype}(0), ${dtype}(1), ${x})`;
  if (from !== "f32") return dtype === "f32" ? `f32(${x})` : `bitcast<${dtype}>(${x})`;
  return `${k.helper(dtype === "i32" ? "f32_to_i32" : "f32_to_u32")}(${x})`;
};

const roundRandom: Emit = (k, x, random, _z, { dtype }) => {
  const to = dtype as HalfType;
  return `${k.helper(`${to}_value`)}(${k.helper(`${to}_randomly`)}(${x}, ${random}))`;
};

/**
 * WGSL of every pointwise op. Tolerance against the definition in core: exact unless said; see helpers.ts for our own
 * functions. Inputs that are denormal may count as 0 (WGSL lets a device flush them).
 */
const POINTWISE = {
  neg: (_, x, _y, _z, { dtype }) => (dtype === "u32" ? `0u - ${x}` : `-${x}`),
  abs: (_, x) => `abs(${x})`,
  sign: call("sign_f"),
  floor: (_, x) => `floor(${x})`,
  round: (_, x) => `round(${x})`,
  exp: call("exp_f"), // 2 ulp
  expm1: call("expm1_f"), // 5 ulp
  log: call("log_f"), // 3 ulp
  log1p: call("log1p_f"), // 4 ulp
  sqrt: call("sqrt_f"), // 3 ulp by the specification, correctly rounded on most devices
  rsqrt: call("rsqrt_f"), // 2 ulp by the specification
  sin: call("sin_f"), // 2e-7 absolute
  cos: call("cos_f"), // 2e-7 absolute
  atan: call("atan_f"), // 4 ulp
  tanh: call("tanh_f"), // 4 ulp
  erf: call("erf_f"), // 4 ulp
  sigmoid: call("sigmoid_f"), // 4 ulp
  softplus: call("softplus_f"), // 4 ulp
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: infix("/"), // 2.5 ulp by the specification
  maximum: extreme("max"),
  minimum: extreme("min"),
  less: compare("less_f", (_, x, y, _z, { from }) => (from === "bool" ? `!${x} && ${y}` : `${x} < ${y}`)),
  lessEqual: compare("less_equal_f", (_, x, y, _z, { from }) => (from === "bool" ? `!${x} || ${y}` : `${x} <= ${y}`)),
  equal: compare("equal_f", infix("==")),
  and: infix("&&"),
  or: infix("||"),
  not: (_, x) => `!${x}`,
  where: (_, x, y, z) => `select(${z}, ${y}, ${x})`,
  cast,
  roundRandom,
  randomBits: (k, x, y, z, { domain }) => `${k.helper("threefry_bits")}(${x}, ${y}, ${z}, ${domain ?? 0}u)`,
  unitInterval: (_, x) => `f32(${x} >> 8u) * 5.9604644775390625e-8`,
  magnitudeBits: call("magnitude_bits"),
} satisfies Record<Exclude<PointwiseName, "iota">, Emit>;

/** Integers that belong to formulas are text, so that compilers can fold them; all other numbers (sizes, rates) are data. */
const LITERALS = new Set([0, 1, 2]);

/** A floating constant is data whatever it is: known to the compiler, 0 · x is 0 and x / 0 is anything. */
const constant = (k: Builder, value: number, dtype: DType): string => {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  if (isFloating(dtype)) return k.floatParam(value);
  if (LITERALS.has(value)) return `${dtype}(${value})`;
  return dtype === "u32" ? k.param(value) : `bitcast<i32>(${k.param(value)})`;
};

/**
 * The lines of a fused expression, one `let` a value (shared values are computed once). `load` and `iota` give the text of
 * the entries that depend on the index, by the entry's position. Value i is named `<prefix>i`, and `<prefix>i_` where it is
 * hidden from the compiler.
 */
export const emitBody = (
  k: Builder,
  body: readonly Instruction[],
  leaf: (position: number) => string,
  prefix = "v",
): string[] => {
  const relatedSide = relations(body);
  const hidden = new Set<number>();
  return body.flatMap((it, position) => {
    const side = relatedSide(position);
    const [x, y, z] =
      "args" in it ? it.args.map((arg, at) => (at === side ? `${prefix}${arg}_` : `${prefix}${arg}`)) : [];
    const text =
      it.op === "load" || it.op === "iota"
        ? leaf(position)
        : it.op === "constant"
          ? constant(k, it.value, it.dtype)
          : (POINTWISE[it.op] as Emit)(k, x, y, z, it);
    const line = `let ${prefix}${position} = ${text};`;
    const arg = side === undefined || !("args" in it) ? undefined : it.args[side];
    if (arg === undefined || hidden.has(arg)) return [line];
    hidden.add(arg);
    return [`let ${prefix}${arg}_ = ${k.hidden(`${prefix}${arg}`)};`, line];
  });
};
