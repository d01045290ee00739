import { type DType, isHalf } from "../../core/index.js";
import { decodeHalves } from "./math/half.js";
import {
  type F32,
  type I32,
  loadLane16,
  type Statement,
  shuffle32,
  storeLane,
  storeLane16,
  storeLane64,
  type V128,
} from "./wasm/expression.js";
import type { Body, Local } from "./wasm/module.js";
import { f32, f32x4, f64x2, i16x8, i32, i32x4, v128 } from "./wasm/ops.js";

/** Pieces of kernels that walk contiguous rows, four elements at a time. */

type Address = Local<"i32">;

/** Writes the first `count` lanes, 1 … 4. */
export const storeSome = (body: Body, address: I32, value: V128, count: I32, offset = 0): void => {
  const x = body.let(value);
  body.if(
    i32.ge_s(count, i32.const(4)),
    () => body.do(v128.store(address, x, offset)),
    () => {
      body.do(storeLane(address, x, 0, offset));
      for (const lane of [1, 2])
        body.if(i32.gt_s(count, i32.const(lane)), () => body.do(storeLane(address, x, lane, offset + 4 * lane)));
    },
  );
};

/** Four numbers below 2¹⁶ as 16 bits each, one after the other. */
export const storeFourHalves = (address: I32, value: V128): Statement =>
  storeLane64(address, i16x8.narrow_i32x4_u(value, value), 0);

/** The first `count` of four numbers below 2¹⁶, 1 … 4, as 16 bits each; no other byte is touched. */
export const storeSomeHalves = (body: Body, address: I32, value: V128, count: I32): void => {
  const x = body.let(value);
  body.if(
    i32.ge_s(count, i32.const(4)),
    () => body.do(storeFourHalves(address, x)),
    () => {
      body.do(storeLane16(address, x, 0));
      for (const lane of [1, 2])
        body.if(i32.gt_s(count, i32.const(lane)), () => body.do(storeLane16(address, x, 2 * lane, 2 * lane)));
    },
  );
};

/** Four floats as they are stored, one after the other, as f32. */
export const loadFloats = (body: Body, address: I32, dtype: DType, offset = 0): V128 =>
  isHalf(dtype) ? decodeHalves(body, v128.load16x4_u(address, offset), dtype) : v128.load(address, offset);

/** One float as it is stored, as f32; 0 in the other lanes. */
export const loadFloat = (body: Body, address: I32, dtype: DType): V128 =>
  isHalf(dtype) ? decodeHalves(body, loadLane16(address, i32x4.splatConst(0), 0), dtype) : v128.load32_zero(address);

/**
 * Runs the block for each four of `count` elements, with fresh pointers that move along, and what is left. Elements have
 * four bytes, or as many as `sizes` says.
 */
export const eachVector = (
  body: Body,
  count: I32,
  starts: readonly I32[],
  block: (left: Address, ...at: Address[]) => void,
  sizes = starts.map(() => 4),
): void => {
  const left = body.let(count);
  const at = starts.map((start) => body.let(start));
  body.if(i32.gt_s(left, i32.const(0)), () =>
    body.repeat(() => {
      block(left, ...at);
      at.forEach((pointer, i) => {
        body.advance(pointer, 4 * sizes[i]);
      });
      body.advance(left, -4);
      return i32.gt_s(left, i32.const(0));
    }),
  );
};

/** x, with `fill` in lanes past the end. */
export const insideOr = (body: Body, x: V128, left: I32, fill: number): Local<"v128"> => {
  const value = body.let(x);
  body.if(i32.lt_s(left, i32.const(4)), () =>
    body.set(
      value,
      v128.bitselect(value, f32x4.splatConst(fill), i32x4.lt_s(i32x4.const(0, 1, 2, 3), i32x4.splat(left))),
    ),
  );
  return value;
};

export const sumOfLanes = (body: Body, x: V128): F32 => {
  const sums = body.let(x);
  body.set(sums, f32x4.add(sums, shuffle32(sums, sums, 2, 3, 0, 1)));
  return f32.add(f32x4.extract_lane(sums, 0), f32x4.extract_lane(sums, 1));
};

export const maxOfLanes = (body: Body, x: V128): F32 => {
  const most = body.let(x);
  body.set(most, f32x4.max(most, shuffle32(most, most, 2, 3, 0, 1)));
  return f32.max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1));
};

/** The largest element of a row, in every lane. */
export const rowMax = (body: Body, row: I32, count: I32): Local<"v128"> => {
  const most = body.let(f32x4.splatConst(Number.NEGATIVE_INFINITY));
  // pmax passes over NaN in x; the NaN comes back when its exponential is summed.
  eachVector(body, count, [row], (left, at) =>
    body.set(most, f32x4.pmax(most, insideOr(body, v128.load(at), left, Number.NEGATIVE_INFINITY))),
  );
  return body.let(f32x4.splat(maxOfLanes(body, most)));
};

/** Multiplies a row by the same number, in place. */
export const scaleRow = (body: Body, row: I32, count: I32, factor: V128): void =>
  eachVector(body, count, [row], (left, at) => storeSome(body, at, f32x4.mul(v128.load(at), factor), left));

export const zeroRow = (body: Body, row: I32, count: I32): void =>
  eachVector(body, count, [row], (left, at) => storeSome(body, at, f32x4.splatConst(0), left));

/** Adds four f32 to four f64 at `at` (32 bytes). */
export const accumulateDouble = (body: Body, at: I32, x: Local<"v128">): void => {
  body.do(v128.store(at, f64x2.add(v128.load(at), f64x2.promote_low_f32x4(x))));
  const high = f64x2.promote_low_f32x4(shuffle32(x, x, 2, 3, 2, 3));
  body.do(v128.store(at, f64x2.add(v128.load(at, 16), high), 16));
};

/** The four f64 at `at`, rounded to f32. */
export const roundDouble = (at: I32): V128 => {
  const [low, high] = [0, 16].map((offset) => f32x4.demote_f64x2_zero(v128.load(at, offset)));
  return shuffle32(low, high, 0, 1, 4, 5);
};
