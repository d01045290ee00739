import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, type Launch } from "../launch.js";
import { eachVector, storeSome, zeroRow } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import { i32, i32x4, select, v128 } from "../wasm/ops.js";

/** The 31 bits of a magnitude, read as an integer, order as the magnitudes do; taken in three digits from the top. */
const DIGITS = [
  { shift: 20, bits: 11 },
  { shift: 10, bits: 10 },
  { shift: 0, bits: 10 },
] as const;
const MAGNITUDE = 0x7fffffff;

/**
 * The k-th largest magnitude by a radix select: for each digit a histogram of the numbers that agree with the digits found
 * so far, walked from the top until k of them lie above. Then one pass that marks what is larger, and as many equals as are
 * left, from the front.
 */
const topkKernel = fixedKernel("topkMask", ["x", "out", "count", "k", "histogram"], (body, arg) => {
  const { x, out, count, k, histogram } = arg;
  const threshold = body.let(i32.const(0)); // digits found so far
  const wanted = body.let(k); // how many are still to be found among those that agree
  const bits = body.local("i32");
  const slot = body.local("i32");
  const digit = body.local("i32");
  const seen = body.local("i32");
  const at = body.local("i32");
  const magnitude = (address: I32) => i32.and(i32.load(address), i32.const(MAGNITUDE));

  for (const { shift, bits: width } of DIGITS) {
    zeroRow(body, histogram, i32.const(2 ** width));
    body.set(at, x);
    const above = shift + width;
    body.times(count, () => {
      body.set(bits, magnitude(at));
      const agrees = i32.eq(i32.shr_u(bits, i32.const(above)), i32.shr_u(threshold, i32.const(above)));
      body.if(above >= 31 ? bits : i32.and(agrees, i32.ne(bits, i32.const(0))), () => {
        const index = i32.and(i32.shr_u(bits, i32.const(shift)), i32.const(2 ** width - 1));
        body.set(slot, i32.add(histogram, i32.shl(index, i32.const(2))));
        body.do(i32.store(slot, i32.add(i32.load(slot), i32.const(1))));
      });
      body.advance(at, 4);
    });
    // From the top digit down while everything seen is still fewer than wanted; digit 0 ends the search.
    body.set(digit, i32.const(2 ** width));
    body.set(seen, i32.const(0));
    body.repeat(() => {
      body.set(wanted, i32.sub(wanted, seen));
      body.advance(digit, -1);
      body.set(seen, i32.load(i32.add(histogram, i32.shl(digit, i32.const(2)))));
      return i32.and(i32.lt_s(seen, wanted), i32.gt_s(digit, i32.const(0)));
    });
    body.set(threshold, i32.or(threshold, i32.shl(digit, i32.const(shift))));
  }

  // With fewer than k numbers other than zero the threshold has come down to 0, which is never marked.
  body.if(i32.eqz(k), () => body.set(threshold, i32.const(MAGNITUDE)));
  body.if(i32.or(i32.eqz(k), i32.eqz(threshold)), () => body.set(wanted, i32.const(0)));
  const four = body.local("v128");
  const mark = body.local("v128");
  const equal = body.local("v128");
  const isEqual = body.local("i32");
  eachVector(body, count, [x, out], (left, from, to) => {
    body.set(four, v128.and(v128.load(from), i32x4.splatConst(MAGNITUDE)));
    body.set(mark, i32x4.gt_s(four, i32x4.splat(threshold)));
    body.set(equal, i32x4.eq(four, i32x4.splat(threshold)));
    body.if(i32.and(i32.gt_s(wanted, i32.const(0)), v128.any_true(equal)), () => {
      for (let lane = 0; lane < 4; lane++) {
        const one = i32x4.const(
          ...([0, 1, 2, 3].map((l) => (l === lane ? -1 : 0)) as [number, number, number, number]),
        );
        // Lanes past the end come last, when nothing is left to go without.
        body.set(isEqual, i32.and(i32x4.extract_lane(equal, lane), i32.gt_s(wanted, i32.const(0))));
        body.set(mark, v128.or(mark, v128.and(i32x4.splat(select(i32.const(-1), i32.const(0), isEqual)), one)));
        body.set(wanted, i32.sub(wanted, isEqual));
      }
    });
    body.set(mark, v128.and(mark, i32x4.splatConst(1)));
    storeSome(body, to, mark, left);
  });
});

export const launchTopkMask = ({ inputs: [x], attrs, output }: CallStep): Launch[] => {
  const count = sizeOf(x.shape);
  if (count === 0) return [];
  const words = [startOf(x), startOf(output), count, attrs.k as number, { scratch: 0 }];
  return [{ kernel: topkKernel, words, scratch: 4 * 2048 }];
};
