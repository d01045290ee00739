import type { V128 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { i32, i32x4, v128 } from "../wasm/ops.js";

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/** Both words of four blocks. */
export interface Words {
  readonly a: Local<"v128">;
  readonly b: Local<"v128">;
}

/** Word of each element: see randomBits in core. */
export const randomBits = (body: Body, k0: V128, k1: V128, index: V128, domain: number): V128 => {
  const { a, b } = randomWords(body, k0, k1, index, domain);
  const isFirst = i32x4.eq(v128.and(index, i32x4.splatConst(4)), i32x4.splatConst(0));
  return v128.bitselect(a, b, isFirst);
};

/**
 * Threefry2x32-20 for four elements. If the first one's index is a multiple of eight, their words are `a`, and `b` those of
 * the four elements after them.
 */
export const randomWords = (body: Body, k0: V128, k1: V128, index: V128, domain: number): Words => {
  const block = i32x4.shl(i32x4.shr_u(index, i32.const(3)), i32.const(2));
  const counter = v128.or(block, v128.and(index, i32x4.splatConst(3)));
  const keys = [k0, k1, body.let(v128.xor(v128.xor(k0, k1), i32x4.splatConst(0x1bd11bda)))];
  const a = body.let(i32x4.add(counter, k0));
  const b = body.let(i32x4.add(i32x4.splatConst(domain | 0), k1));
  for (let round = 0; round < 20; round++) {
    body.set(a, i32x4.add(a, b));
    const r = ROTATIONS[round % 8];
    const rotated = v128.or(i32x4.shl(b, i32.const(r)), i32x4.shr_u(b, i32.const(32 - r)));
    body.set(b, v128.xor(rotated, a));
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    body.set(a, i32x4.add(a, keys[injection % 3]));
    body.set(b, i32x4.add(b, i32x4.add(keys[(injection + 1) % 3], i32x4.splatConst(injection))));
  }
  return { a, b };
};
