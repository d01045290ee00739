import type { V128 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { i32, i32x4, v128 } from "../wasm/ops.js";

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/**
 * Threefry2x32-20 for four elements: see randomBits in core. Both words of a block are kept, so that of two vectors that
 * share their counters (eight elements from a multiple of eight) only the first one pays for the rounds.
 */
export const randomBits = (body: Body, k0: V128, k1: V128, index: V128, domain: number): V128 => {
  const block = i32x4.shl(i32x4.shr_u(index, i32.const(3)), i32.const(2));
  const counter = body.let(v128.or(block, v128.and(index, i32x4.splatConst(3))));
  const [known, knownCounter, known0, known1] = [
    body.local("i32"),
    ...(["v128", "v128", "v128"] as const).map(body.local),
  ];
  const [a, b] = [body.local("v128"), body.local("v128")];
  const sameKey = v128.and(i32x4.eq(k0, known0), i32x4.eq(k1, known1));
  const same = i32.and(known, i32x4.all_true(v128.and(sameKey, i32x4.eq(counter, knownCounter))));
  body.if(i32.eqz(same), () => {
    body.set(known, i32.const(1));
    body.set(knownCounter, counter);
    body.set(known0, k0);
    body.set(known1, k1);
    rounds(body, { a, b }, [k0, k1], counter, domain);
  });
  const isFirst = i32x4.eq(v128.and(index, i32x4.splatConst(4)), i32x4.splatConst(0));
  return v128.bitselect(a, b, isFirst);
};

type Words = Record<"a" | "b", ReturnType<Body["local"]> & V128 & { readonly index: number }>;

const rounds = (body: Body, { a, b }: Words, [k0, k1]: readonly [V128, V128], counter: V128, domain: number): void => {
  const keys = [k0, k1, body.let(v128.xor(v128.xor(k0, k1), i32x4.splatConst(0x1bd11bda)))];
  body.set(a, i32x4.add(counter, k0));
  body.set(b, i32x4.add(i32x4.splatConst(domain | 0), k1));
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
};
