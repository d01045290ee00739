import { type DType, type HalfType, isFloating, isHalf, type PointwiseName } from "../../../core/index.js";
import type { Instruction } from "../../plan/steps.js";
import { exp, sigmoid } from "../math/f32.js";
import { type MathName, mathCall } from "../math/functions.js";
import { decodeHalves, encodeHalves, roundToHalves, roundToHalvesRandomly } from "../math/half.js";
import type { V128 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { f32x4, i32, i32x4, v128 } from "../wasm/ops.js";
import { randomBits } from "./threefry.js";

export type Operation = Extract<Instruction, { readonly args: readonly number[] }>;

/** Four elements of an op from four of each operand (locals). Inside a kernel bool is a mask: all bits or none. */
type Emit = (body: Body, args: readonly V128[], instruction: Operation) => V128;
type Vector2 = (a: V128, b: V128) => V128;

const ONE = 0x3f800000; // the bits of 1.0
const NAN = 0x7fc00000;

const unary =
  (op: (x: V128) => V128): Emit =>
  (_, [x]) =>
    op(x);
const binary =
  (op: Vector2): Emit =>
  (_, [x, y]) =>
    op(x, y);
const math =
  (name: MathName): Emit =>
  (body, [x]) =>
    mathCall(body, name, x);
/** Picks the instruction by the operands' dtype. */
const typed =
  (ops: { readonly [D in DType]?: Vector2 } & { readonly i32: Vector2 }): Emit =>
  (_, [x, y], { from }) =>
    (ops[from] ?? ops.i32)(x, y);

const castTo = (body: Body, x: V128, from: DType, to: DType): V128 => {
  if (isHalf(to)) return roundToHalves(body, x, to);
  if (isHalf(from)) return x;
  if (to === "bool") return from === "f32" ? f32x4.ne(x, f32x4.splatConst(0)) : i32x4.ne(x, i32x4.splatConst(0));
  if (from === "bool") return v128.and(x, i32x4.splatConst(to === "f32" ? ONE : 1));
  if (to === "f32") return from === "i32" ? f32x4.convert_i32x4_s(x) : f32x4.convert_i32x4_u(x);
  if (from === "f32") return to === "i32" ? i32x4.trunc_sat_f32x4_s(x) : i32x4.trunc_sat_f32x4_u(x);
  return x;
};

export const emitters = {
  neg: (_, [x], { dtype }) => (dtype === "f32" ? f32x4.neg(x) : i32x4.neg(x)),
  abs: unary(f32x4.abs),
  // ±0 and NaN are their own sign.
  sign: (_, [x]) => {
    const one = v128.or(v128.and(x, f32x4.splatConst(-0)), f32x4.splatConst(1));
    return v128.bitselect(one, x, f32x4.gt(f32x4.abs(x), f32x4.splatConst(0)));
  },
  floor: unary(f32x4.floor),
  round: unary(f32x4.nearest),
  exp: (body, [x]) => exp(body, x),
  expm1: math("expm1"),
  log: math("log"),
  log1p: math("log1p"),
  sqrt: unary(f32x4.sqrt),
  rsqrt: unary((x) => f32x4.div(f32x4.splatConst(1), f32x4.sqrt(x))),
  sin: math("sin"),
  cos: math("cos"),
  atan: math("atan"),
  tanh: math("tanh"),
  erf: math("erf"),
  sigmoid: (body, [x]) => sigmoid(body, x),
  softplus: math("softplus"),
  add: typed({ f32: f32x4.add, i32: i32x4.add, u32: i32x4.add }),
  sub: typed({ f32: f32x4.sub, i32: i32x4.sub, u32: i32x4.sub }),
  mul: typed({ f32: f32x4.mul, i32: i32x4.mul, u32: i32x4.mul }),
  div: binary(f32x4.div),
  maximum: typed({ f32: f32x4.max, i32: i32x4.max_s, u32: i32x4.max_u }),
  minimum: typed({ f32: f32x4.min, i32: i32x4.min_s, u32: i32x4.min_u }),
  // A true mask is -1: the order of bools is the reverse of the order of their masks.
  less: typed({ f32: f32x4.lt, i32: i32x4.lt_s, u32: i32x4.lt_u, bool: i32x4.gt_s }),
  lessEqual: typed({ f32: f32x4.le, i32: i32x4.le_s, u32: i32x4.le_u, bool: (x, y) => i32x4.le_s(y, x) }),
  equal: typed({ f32: f32x4.eq, i32: i32x4.eq, u32: i32x4.eq }),
  and: binary(v128.and),
  or: binary(v128.or),
  not: unary(v128.not),
  where: (_, [condition, x, y]) => v128.bitselect(x, y, condition),
  cast: (body, [x], { from, dtype }) => castTo(body, x, from, dtype),
  roundRandom: (body, [x, random], { dtype }) => roundToHalvesRandomly(body, x, random, dtype as HalfType),
  randomBits: (body, [k0, k1, index], { domain }) => randomBits(body, k0, k1, index, domain as number),
  unitInterval: unary((x) =>
    f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(x, i32.const(8))), f32x4.splatConst(2 ** -24)),
  ),
  magnitudeBits: unary((x) => {
    const magnitude = v128.and(x, i32x4.splatConst(0x7fffffff));
    return v128.bitselect(magnitude, i32x4.splatConst(NAN), f32x4.eq(x, x));
  }),
} satisfies Record<Exclude<PointwiseName, "iota">, Emit>;

export const emitOperation = (body: Body, instruction: Operation, args: readonly V128[]): V128 =>
  (emitters[instruction.op] as Emit)(body, args, instruction);

/** A literal in every lane. */
export const emitConstant = (value: number, dtype: DType): V128 => {
  if (isFloating(dtype)) return f32x4.splatConst(value);
  return i32x4.splatConst(dtype === "bool" ? -value : value | 0);
};

/** Between memory, where bool is 0 or 1 and floats may be of 16 bits, and what is a mask or an f32. */
export const fromMemory = (body: Body, x: V128, dtype: DType): V128 => {
  if (isHalf(dtype)) return decodeHalves(body, x, dtype);
  return dtype === "bool" ? i32x4.ne(x, i32x4.splatConst(0)) : x;
};
export const toMemory = (body: Body, x: V128, dtype: DType): V128 => {
  if (isHalf(dtype)) return encodeHalves(body, x, dtype);
  return dtype === "bool" ? v128.and(x, i32x4.splatConst(1)) : x;
};
