import { signedLeb, unsignedLeb } from "./leb.js";

export type ValueType = "i32" | "f32" | "f64" | "v128";

/** Instructions that leave one value on WebAssembly's stack. Written where it is used: an Expr used twice runs twice. */
export interface Expr<T extends ValueType = ValueType> {
  readonly type: T;
  readonly write: (out: number[]) => void;
}

/** Instructions that leave nothing. */
export interface Statement {
  readonly write: (out: number[]) => void;
}

export type I32 = Expr<"i32">;
export type F32 = Expr<"f32">;
export type F64 = Expr<"f64">;
export type V128 = Expr<"v128">;

export const expr = <T extends ValueType>(type: T, write: (out: number[]) => void): Expr<T> => ({ type, write });

/** Writes the operands, then an opcode; vector opcodes have the prefix 0xfd and a LEB number. */
export const scalarOp =
  <R extends ValueType, A extends readonly Expr[]>(result: R, ...opcode: number[]) =>
  (...operands: A): Expr<R> =>
    expr(result, (out) => {
      for (const operand of operands) operand.write(out);
      out.push(...opcode);
    });

export const vectorOp = <R extends ValueType, A extends readonly Expr[]>(result: R, opcode: number) => {
  const bytes = [0xfd];
  unsignedLeb(opcode, bytes);
  return scalarOp<R, A>(result, ...bytes);
};

/** Alignment (log2, a hint) and constant offset of a memory access. */
const memoryArgument = (align: number, offset: number, out: number[]): void => {
  unsignedLeb(align, out);
  unsignedLeb(offset, out);
};

export const loadOp =
  <R extends ValueType>(result: R, align: number, ...opcode: number[]) =>
  (address: I32, offset = 0): Expr<R> =>
    expr(result, (out) => {
      address.write(out);
      out.push(...opcode);
      memoryArgument(align, offset, out);
    });

export const storeOp =
  <T extends ValueType>(align: number, ...opcode: number[]) =>
  (address: I32, value: Expr<T>, offset = 0): Statement => ({
    write: (out) => {
      address.write(out);
      value.write(out);
      out.push(...opcode);
      memoryArgument(align, offset, out);
    },
  });

/** v128.load32_lane: the vector with one lane read from memory. */
export const loadLane = (address: I32, vector: V128, lane: number, offset = 0): V128 =>
  expr("v128", (out) => {
    address.write(out);
    vector.write(out);
    out.push(0xfd, 0x56);
    memoryArgument(2, offset, out);
    out.push(lane);
  });

/** v128.store32_lane */
export const storeLane = (address: I32, vector: V128, lane: number, offset = 0): Statement => ({
  write: (out) => {
    address.write(out);
    vector.write(out);
    out.push(0xfd, 0x5a);
    memoryArgument(2, offset, out);
    out.push(lane);
  },
});

/** v128.load16_lane: the vector with one of its eight lanes of 16 bits read from memory. */
export const loadLane16 = (address: I32, vector: V128, lane: number, offset = 0): V128 =>
  expr("v128", (out) => {
    address.write(out);
    vector.write(out);
    out.push(0xfd, 0x55);
    memoryArgument(1, offset, out);
    out.push(lane);
  });

/** v128.store16_lane */
export const storeLane16 = (address: I32, vector: V128, lane: number, offset = 0): Statement => ({
  write: (out) => {
    address.write(out);
    vector.write(out);
    out.push(0xfd, 0x59);
    memoryArgument(1, offset, out);
    out.push(lane);
  },
});

/** v128.store64_lane */
export const storeLane64 = (address: I32, vector: V128, lane: number, offset = 0): Statement => ({
  write: (out) => {
    address.write(out);
    vector.write(out);
    out.push(0xfd, 0x5b);
    memoryArgument(3, offset, out);
    out.push(lane);
  },
});

const bytesOf = (values: Float32Array | Float64Array | Int32Array) => new Uint8Array(values.buffer);

export const i32Const = (n: number): I32 =>
  expr("i32", (out) => {
    out.push(0x41);
    signedLeb(n, out);
  });

export const f32Const = (x: number): F32 => expr("f32", (out) => void out.push(0x43, ...bytesOf(Float32Array.of(x))));
export const f64Const = (x: number): F64 => expr("f64", (out) => void out.push(0x44, ...bytesOf(Float64Array.of(x))));

const vectorConst = (values: Float32Array | Float64Array | Int32Array): V128 =>
  expr("v128", (out) => void out.push(0xfd, 0x0c, ...bytesOf(values)));

export const f32x4Const = (...lanes: [number, number, number, number]): V128 => vectorConst(Float32Array.from(lanes));
export const i32x4Const = (...lanes: [number, number, number, number]): V128 => vectorConst(Int32Array.from(lanes));
export const f64x2Const = (...lanes: [number, number]): V128 => vectorConst(Float64Array.from(lanes));

/** i8x16.shuffle of whole 32-bit lanes: 0–3 are a's, 4–7 are b's. */
export const shuffle32 = (a: V128, b: V128, ...lanes: [number, number, number, number]): V128 =>
  expr("v128", (out) => {
    a.write(out);
    b.write(out);
    out.push(0xfd, 0x0d, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)));
  });

/** One lane as a scalar. */
export const laneOp =
  <R extends ValueType>(result: R, opcode: number) =>
  (vector: V128, lane: number): Expr<R> =>
    expr(result, (out) => {
      vector.write(out);
      out.push(0xfd, opcode, lane);
    });
