import { signedLeb, unsignedLeb } from "./leb.js";

export type ValueType = "i32" | "f32" | "f64" | "v128";

/**
 * Bytes of a function under construction. Where memory has 64-bit addresses the code is wide: every "i32" of a kernel, be it
 * an address, a count or a condition, is then an i64, so that kernels are written once. What instructions take and give as 32
 * bits is wrapped and extended (by its sign) on the way.
 */
export type Code = number[] & { readonly isWide: boolean };

/** Instructions that leave one value on WebAssembly's stack. Written where it is used: an Expr used twice runs twice. */
export interface Expr<T extends ValueType = ValueType> {
  readonly type: T;
  readonly write: (out: Code) => void;
  /** Of an i32 that is one in wide code as well, before it is extended. */
  readonly narrow?: (out: Code) => void;
}

/** Instructions that leave nothing. */
export interface Statement {
  readonly write: (out: Code) => void;
}

export type I32 = Expr<"i32">;
export type F32 = Expr<"f32">;
export type F64 = Expr<"f64">;
export type V128 = Expr<"v128">;

export const expr = <T extends ValueType>(type: T, write: (out: Code) => void): Expr<T> => ({ type, write });

const I32_CONST = 0x41;
const I64_CONST = 0x42;
const I64_NE = 0x52;
const WRAP = 0xa7;
const EXTEND = 0xac;

/** An i32 that an instruction gives. */
const narrow = (write: (out: Code) => void): I32 => ({
  type: "i32",
  write: (out) => {
    write(out);
    if (out.isWide) out.push(EXTEND);
  },
  narrow: write,
});

/** What an instruction leaves that knows nothing of addresses. */
const given = <R extends ValueType>(result: R, write: (out: Code) => void): Expr<R> =>
  result === "i32" ? (narrow(write) as Expr as Expr<R>) : expr(result, write);

/** Writes a value for such an instruction. */
const take = (value: Expr, out: Code): void => {
  if (!out.isWide || value.type !== "i32") value.write(out);
  else if (value.narrow !== undefined) value.narrow(out);
  else {
    value.write(out);
    out.push(WRAP);
  }
};

/** Writes a condition as branches want it. */
export const writeCondition = (condition: I32, out: Code): void => {
  if (out.isWide && condition.narrow === undefined) {
    condition.write(out);
    out.push(I64_CONST, 0, I64_NE);
  } else take(condition, out);
};

/** Writes the operands, then an opcode; vector opcodes have the prefix 0xfd and a LEB number. */
export const scalarOp =
  <R extends ValueType, A extends readonly Expr[]>(result: R, ...opcode: number[]) =>
  (...operands: A): Expr<R> =>
    given(result, (out) => {
      for (const operand of operands) take(operand, out);
      out.push(...opcode);
    });

/** The opcodes of i64 come in the order of those of i32, after them. */
const WIDE = { arithmetic: 0x12, comparison: 0x0b } as const;

/** Arithmetic of integers. */
export const integerOp =
  (opcode: number) =>
  (a: I32, b: I32): I32 =>
    expr("i32", (out) => {
      a.write(out);
      b.write(out);
      out.push(out.isWide ? opcode + WIDE.arithmetic : opcode);
    });

/** Arithmetic of bits: that of two extended numbers is extended. */
export const bitsOp =
  (opcode: number) =>
  (a: I32, b: I32): I32 =>
    a.narrow === undefined || b.narrow === undefined
      ? integerOp(opcode)(a, b)
      : scalarOp<"i32", [I32, I32]>("i32", opcode)(a, b);

/** Comparisons of integers, or of one with 0. */
export const integerTest =
  <A extends readonly I32[]>(opcode: number) =>
  (...operands: A): I32 =>
    narrow((out) => {
      for (const operand of operands) operand.write(out);
      out.push(out.isWide ? opcode + WIDE.comparison : opcode);
    });

export const vectorOp = <R extends ValueType, A extends readonly Expr[]>(result: R, opcode: number) => {
  const bytes = [0xfd];
  unsignedLeb(opcode, bytes);
  return scalarOp<R, A>(result, ...bytes);
};

/** Alignment (log2, a hint) and constant offset of a memory access. */
const memoryArgument = (align: number, offset: number, out: Code): void => {
  unsignedLeb(align, out);
  unsignedLeb(offset, out);
};

export const loadOp =
  <R extends ValueType>(result: R, align: number, ...opcode: number[]) =>
  (address: I32, offset = 0): Expr<R> =>
    given(result, (out) => {
      address.write(out);
      out.push(...opcode);
      memoryArgument(align, offset, out);
    });

export const storeOp =
  <T extends ValueType>(align: number, ...opcode: number[]) =>
  (address: I32, value: Expr<T>, offset = 0): Statement => ({
    write: (out) => {
      address.write(out);
      take(value, out);
      out.push(...opcode);
      memoryArgument(align, offset, out);
    },
  });

/** Bytes of a word of an argument block, whatever it holds. */
export const WORD = 8;

/** A word of an argument block: an address, a stride, a count. */
export const loadWord = (block: I32, word: number): I32 =>
  expr("i32", (out) => {
    block.write(out);
    out.push(out.isWide ? 0x29 : 0x28);
    memoryArgument(out.isWide ? 3 : 2, WORD * word, out);
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

export const i32Const = (n: number): I32 => ({
  type: "i32",
  write: (out) => {
    out.push(out.isWide ? I64_CONST : I32_CONST);
    signedLeb(n, out);
  },
  narrow: (out) => {
    out.push(I32_CONST);
    signedLeb(n, out);
  },
});

export const f32Const = (x: number): F32 => expr("f32", (out) => void out.push(0x43, ...bytesOf(Float32Array.of(x))));

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
    given(result, (out) => {
      vector.write(out);
      out.push(0xfd, opcode, lane);
    });

/** An i64, which "i32" is in wide code, from a number of JavaScript; and back. */
export const integerOf = (x: Expr<"f64">): I32 =>
  expr("i32", (out) => {
    x.write(out);
    out.push(0xb0); // i64.trunc_f64_s
  });
export const numberOf = (n: I32): Expr<"f64"> =>
  expr("f64", (out) => {
    n.write(out);
    out.push(0xb9); // f64.convert_i64_s
  });
