import {
  bitsOp,
  type Expr,
  expr,
  type F32,
  type F64,
  f32Const,
  f32x4Const,
  f64x2Const,
  type I32,
  i32Const,
  i32x4Const,
  integerOp,
  integerTest,
  laneOp,
  loadOp,
  scalarOp,
  storeOp,
  type V128,
  type ValueType,
  vectorOp,
  writeCondition,
} from "./expression.js";

/**
 * WebAssembly's instructions by their names in the specification (chapter 5.4), as functions of expressions. Those of i32
 * compute with as many bits as addresses have (Code in expression.ts); loads and stores are of 32.
 */

type Pair = [I32, I32];
type Binary<T extends ValueType> = (a: Expr<T>, b: Expr<T>) => Expr<T>;
type Unary<T extends ValueType> = (a: Expr<T>) => Expr<T>;

const binary = <T extends ValueType>(type: T, opcode: number): Binary<T> =>
  scalarOp<T, [Expr<T>, Expr<T>]>(type, opcode);
const vector1 = (opcode: number): Unary<"v128"> => vectorOp<"v128", [V128]>("v128", opcode);
const vector2 = (opcode: number): Binary<"v128"> => vectorOp<"v128", [V128, V128]>("v128", opcode);
const shift = (opcode: number) => vectorOp<"v128", [V128, I32]>("v128", opcode);

export const i32 = {
  const: i32Const,
  load: loadOp("i32", 2, 0x28),
  load16_u: loadOp("i32", 1, 0x2f),
  store: storeOp<"i32">(2, 0x36),
  eqz: integerTest<[I32]>(0x45),
  eq: integerTest<Pair>(0x46),
  ne: integerTest<Pair>(0x47),
  lt_s: integerTest<Pair>(0x48),
  lt_u: integerTest<Pair>(0x49),
  gt_s: integerTest<Pair>(0x4a),
  ge_s: integerTest<Pair>(0x4e),
  add: integerOp(0x6a),
  sub: integerOp(0x6b),
  mul: integerOp(0x6c),
  div_u: integerOp(0x6e),
  and: bitsOp(0x71),
  or: bitsOp(0x72),
  shl: integerOp(0x74),
  shr_u: integerOp(0x76),
};

export const f32 = {
  const: f32Const,
  load: loadOp("f32", 2, 0x2a),
  store: storeOp<"f32">(2, 0x38),
  sqrt: scalarOp<"f32", [F32]>("f32", 0x91),
  add: binary("f32", 0x92),
  sub: binary("f32", 0x93),
  div: binary("f32", 0x95),
  max: binary("f32", 0x97),
  convert_i32_s: scalarOp<"f32", [I32]>("f32", 0xb2),
  demote_f64: scalarOp<"f32", [F64]>("f32", 0xb6),
};

export const f64 = {
  add: binary("f64", 0xa0),
};

export const v128 = {
  load: loadOp("v128", 4, 0xfd, 0x00),
  /** Four numbers of 16 bits in memory, each extended by zeros. */
  load16x4_u: loadOp("v128", 3, 0xfd, 0x04),
  load32_splat: loadOp("v128", 2, 0xfd, 0x09),
  load32_zero: loadOp("v128", 2, 0xfd, 0x5c),
  store: storeOp<"v128">(4, 0xfd, 0x0b),
  not: vector1(0x4d),
  and: vector2(0x4e),
  or: vector2(0x50),
  xor: vector2(0x51),
  /** Bits of a where the mask is 1, of b where it is 0. */
  bitselect: vectorOp<"v128", [V128, V128, V128]>("v128", 0x52),
  any_true: vectorOp<"i32", [V128]>("i32", 0x53),
};

export const i16x8 = {
  /** Lanes of 32 bits in 16, saturated: four of a, then four of b. */
  narrow_i32x4_u: vector2(0x86),
};

export const i32x4 = {
  const: i32x4Const,
  splatConst: (n: number): V128 => i32x4Const(n, n, n, n),
  splat: vectorOp<"v128", [I32]>("v128", 0x11),
  extract_lane: laneOp("i32", 0x1b),
  eq: vector2(0x37),
  ne: vector2(0x38),
  lt_s: vector2(0x39),
  lt_u: vector2(0x3a),
  gt_s: vector2(0x3b),
  le_s: vector2(0x3d),
  le_u: vector2(0x3e),
  neg: vector1(0xa1),
  shl: shift(0xab),
  shr_s: shift(0xac),
  shr_u: shift(0xad),
  add: vector2(0xae),
  sub: vector2(0xb1),
  mul: vector2(0xb5),
  min_s: vector2(0xb6),
  min_u: vector2(0xb7),
  max_s: vector2(0xb8),
  max_u: vector2(0xb9),
  trunc_sat_f32x4_s: vector1(0xf8),
  trunc_sat_f32x4_u: vector1(0xf9),
};

export const f32x4 = {
  splatConst: (x: number): V128 => f32x4Const(x, x, x, x),
  splat: vectorOp<"v128", [F32]>("v128", 0x13),
  extract_lane: laneOp("f32", 0x1f),
  eq: vector2(0x41),
  ne: vector2(0x42),
  lt: vector2(0x43),
  gt: vector2(0x44),
  le: vector2(0x45),
  ge: vector2(0x46),
  floor: vector1(0x68),
  nearest: vector1(0x6a),
  abs: vector1(0xe0),
  neg: vector1(0xe1),
  sqrt: vector1(0xe3),
  add: vector2(0xe4),
  sub: vector2(0xe5),
  mul: vector2(0xe6),
  div: vector2(0xe7),
  min: vector2(0xe8),
  max: vector2(0xe9),
  pmin: vector2(0xea),
  pmax: vector2(0xeb),
  convert_i32x4_s: vector1(0xfa),
  convert_i32x4_u: vector1(0xfb),
  demote_f64x2_zero: vector1(0x5e),
  /** a · b + c, rounded once or twice: relaxed SIMD, which Node has from 21 on. */
  relaxed_madd: vectorOp<"v128", [V128, V128, V128]>("v128", 0x105),
};

export const f64x2 = {
  splatConst: (x: number): V128 => f64x2Const(x, x),
  extract_lane: laneOp("f64", 0x21),
  eq: vector2(0x47),
  lt: vector2(0x49),
  gt: vector2(0x4a),
  nearest: vector1(0x94),
  floor: vector1(0x75),
  abs: vector1(0xec),
  neg: vector1(0xed),
  add: vector2(0xf0),
  sub: vector2(0xf1),
  mul: vector2(0xf2),
  div: vector2(0xf3),
  min: vector2(0xf4),
  max: vector2(0xf5),
  promote_low_f32x4: vector1(0x5f),
  convert_low_i32x4_s: vector1(0xfe),
};

export const i64x2 = {
  shl: shift(0xcb),
  shr_u: shift(0xcd),
  add: vector2(0xce),
  sub: vector2(0xd1),
};

/** A value chosen without a branch: a if the condition holds, else b. Both are computed. */
export const select = <T extends ValueType>(a: Expr<T>, b: Expr<T>, condition: I32): Expr<T> =>
  expr(a.type, (out) => {
    a.write(out);
    b.write(out);
    writeCondition(condition, out);
    if (a.type === "v128") out.push(0x1c, 1, 0x7b);
    else out.push(0x1b);
  });

/** 4 n: bytes of n words. */
export const times4 = (n: I32): I32 => i32.shl(n, i32.const(2));
/** The next multiple of 4, if it is none itself. */
export const roundUp4 = (n: I32): I32 => i32.and(i32.add(n, i32.const(3)), i32.const(-4));
