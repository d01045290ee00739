import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { blocksFor, cut, fixedKernel, type Kernel, type Launch, moved, type Word } from "../launch.js";
import { eachVector, storeSome, zeroRow } from "../rows.js";
import type { Body, Local } from "../wasm/module.js";
import { i32, i32x4, select, times4, v128 } from "../wasm/ops.js";

/**
 * The k-th largest magnitude by a radix select: for each digit a histogram of the numbers that agree with the digits found
 * so far, walked from the top until k of them lie above. Blocks of the tensor count for themselves; one thread joins their
 * histograms and finds the digit. Then each block marks what is larger, and as many equals as fall to it, from the front.
 *
 * The 31 bits of a magnitude, read as an integer, order as the magnitudes do; taken in three digits from the top.
 */
const DIGITS = [
  { shift: 20, bits: 11 },
  { shift: 10, bits: 10 },
  { shift: 0, bits: 10 },
] as const;
type Digit = (typeof DIGITS)[number];
const MAGNITUDE = 0x7fffffff;
const LANES = [0, 1, 2, 3] as const;

/** Bytes of a histogram. */
const HISTOGRAM = 4 * 2048;
/** In common memory: the digits found so far, how many are still wanted among the numbers that agree; then histograms. */
const STATE = 64;

const increment = (body: Body, slot: Local<"i32">): void =>
  body.do(i32.store(slot, i32.add(i32.load(slot), i32.const(1))));

/** Histogram of the top digit. Neighbours are often equal: each lane has a histogram of its own, so that none waits. */
const countTop = ({ shift, bits: width }: Digit): Kernel =>
  fixedKernel("topkMask count", ["x", "count", "state", "histogram", "lanes"], (body, arg) => {
    const { x, count, histogram, lanes } = arg;
    const bins = i32.const(2 ** width);
    zeroRow(body, lanes, i32.const(4 * 2 ** width));
    const four = body.local("v128");
    const slot = body.local("i32");
    const slots = () =>
      body.set(
        four,
        i32x4.shl(i32x4.shr_u(v128.and(v128.load(x), i32x4.splatConst(MAGNITUDE)), i32.const(shift)), i32.const(2)),
      );
    const take = (lane: number) => {
      body.set(slot, i32.add(i32.add(lanes, i32.const(lane * HISTOGRAM)), i32x4.extract_lane(four, lane)));
      increment(body, slot);
    };
    body.times(i32.shr_u(count, i32.const(2)), () => {
      slots();
      for (const lane of LANES) take(lane);
      body.advance(x, 16);
    });
    slots();
    for (const lane of LANES.slice(0, 3))
      body.if(i32.gt_s(i32.and(count, i32.const(3)), i32.const(lane)), () => take(lane));
    eachVector(body, bins, [lanes, histogram], (_, from, to) => {
      const [a, b, c, d] = LANES.map((lane) => v128.load(from, lane * HISTOGRAM));
      body.do(v128.store(to, i32x4.add(i32x4.add(a, b), i32x4.add(c, d))));
    });
  });

/** Histogram of a lower digit: few numbers agree with the digits above, so four at a time are passed over. */
const countLower = ({ shift, bits: width }: Digit): Kernel =>
  fixedKernel(`topkMask count ${shift}`, ["x", "count", "state", "histogram"], (body, arg) => {
    const { x, count, state, histogram } = arg;
    const above = shift + width;
    const found = body.let(i32x4.splat(i32.shr_u(i32.load(state), i32.const(above))));
    // Numbers that do not agree are counted behind the others: cheaper than a branch for each lane.
    const others = i32x4.splatConst(2 ** width);
    zeroRow(body, histogram, i32.const(2 ** width));
    const four = body.local("v128");
    const agrees = body.local("v128");
    const slot = body.local("i32");
    eachVector(body, count, [x], (left, at) => {
      body.set(four, v128.and(v128.load(at), i32x4.splatConst(MAGNITUDE)));
      body.set(agrees, i32x4.eq(i32x4.shr_u(four, i32.const(above)), found));
      body.if(v128.any_true(agrees), () => {
        body.set(agrees, v128.and(agrees, i32x4.lt_s(i32x4.const(0, 1, 2, 3), i32x4.splat(left))));
        const digits = v128.and(i32x4.shr_u(four, i32.const(shift)), i32x4.splatConst(2 ** width - 1));
        const slots = body.let(i32x4.shl(v128.bitselect(digits, others, agrees), i32.const(2)));
        for (const lane of LANES) {
          body.set(slot, i32.add(histogram, i32x4.extract_lane(slots, lane)));
          increment(body, slot);
        }
      });
    });
  });

/** Joins the histograms of all blocks behind the last one, and walks from the top while fewer than wanted lie above. */
const findDigit = ({ shift, bits: width }: Digit): Kernel =>
  fixedKernel(`topkMask digit ${shift}`, ["state", "histograms", "blocks", "k"], (body, arg) => {
    const { state, histograms, blocks, k } = arg;
    const bins = i32.const(2 ** width);
    const joined = body.let(i32.add(histograms, i32.mul(blocks, i32.const(HISTOGRAM))));
    zeroRow(body, joined, bins);
    const part = body.let(histograms);
    body.times(blocks, () => {
      eachVector(body, bins, [part, joined], (_, from, to) =>
        body.do(v128.store(to, i32x4.add(v128.load(to), v128.load(from)))),
      );
      body.advance(part, HISTOGRAM);
    });
    const isFirst = shift === DIGITS[0].shift;
    const threshold = isFirst ? i32.const(0) : body.let(i32.load(state));
    const wanted = body.let(isFirst ? k : i32.load(state, 4));
    const digit = body.let(bins);
    const seen = body.let(i32.const(0));
    // Digit 0 ends the search.
    body.repeat(() => {
      body.set(wanted, i32.sub(wanted, seen));
      body.advance(digit, -1);
      body.set(seen, i32.load(i32.add(joined, times4(digit))));
      return i32.and(i32.lt_s(seen, wanted), i32.gt_s(digit, i32.const(0)));
    });
    body.do(i32.store(state, i32.or(threshold, i32.shl(digit, i32.const(shift)))));
    body.do(i32.store(state, wanted, 4));
  });

/** How many of its equals each block marks, instead of its histogram: lower indices first. */
const shareOut = fixedKernel("topkMask share", ["state", "histograms", "blocks", "k"], (body, arg) => {
  const { state, histograms, blocks, k } = arg;
  const threshold = body.let(i32.load(state));
  const wanted = body.let(i32.load(state, 4));
  // With fewer than k numbers other than zero the threshold has come down to 0, which is never marked.
  body.if(i32.or(i32.eqz(k), i32.eqz(threshold)), () => body.set(wanted, i32.const(0)));
  body.if(i32.eqz(k), () => body.do(i32.store(state, i32.const(MAGNITUDE))));
  const { bits: width } = DIGITS[2];
  const slot = body.let(times4(i32.and(threshold, i32.const(2 ** width - 1))));
  const equals = body.local("i32");
  body.times(blocks, () => {
    body.set(equals, i32.load(i32.add(histograms, slot)));
    body.set(equals, select(equals, wanted, i32.lt_s(equals, wanted)));
    body.do(i32.store(histograms, equals));
    body.set(wanted, i32.sub(wanted, equals));
    body.advance(histograms, HISTOGRAM);
  });
});

const mark = fixedKernel("topkMask mark", ["x", "out", "count", "state", "histogram"], (body, arg) => {
  const { x, out, count, state, histogram } = arg;
  const threshold = body.let(i32x4.splat(i32.load(state)));
  const wanted = body.let(i32.load(histogram));
  const four = body.local("v128");
  const marks = body.local("v128");
  const equal = body.local("v128");
  const isEqual = body.local("i32");
  eachVector(body, count, [x, out], (left, from, to) => {
    body.set(four, v128.and(v128.load(from), i32x4.splatConst(MAGNITUDE)));
    body.set(marks, i32x4.gt_s(four, threshold));
    body.if(i32.gt_s(wanted, i32.const(0)), () => {
      body.set(equal, i32x4.eq(four, threshold));
      body.if(v128.any_true(equal), () => {
        for (const lane of LANES) {
          const one = i32x4.const(...(LANES.map((l) => (l === lane ? -1 : 0)) as [number, number, number, number]));
          // Lanes past the end come last, when nothing is left to go without.
          body.set(isEqual, i32.and(i32x4.extract_lane(equal, lane), i32.gt_s(wanted, i32.const(0))));
          body.set(marks, v128.or(marks, v128.and(i32x4.splat(select(i32.const(-1), i32.const(0), isEqual)), one)));
          body.set(wanted, i32.sub(wanted, isEqual));
        }
      });
    });
    storeSome(body, to, v128.and(marks, i32x4.splatConst(1)), left);
  });
});

const counters = DIGITS.map((digit, i) => (i === 0 ? countTop(digit) : countLower(digit)));
const finders = DIGITS.map(findDigit);

export const launchTopkMask = ({ inputs: [x], attrs, output }: CallStep): Launch[] => {
  const count = sizeOf(x.shape);
  if (count === 0) return [];
  const ranges = cut(count, blocksFor(count), 16);
  const common = STATE + HISTOGRAM * (ranges.length + 1);
  const state = { common: 0 };
  const histogram = (i: number): Word => ({ common: STATE + HISTOGRAM * i });
  const all: Word[] = [state, histogram(0), ranges.length, attrs.k as number];
  const counting = DIGITS.flatMap((_, digit): Launch[] => [
    {
      kernel: counters[digit],
      blocks: ranges.map(({ from, size }, i) => [
        moved(startOf(x), from),
        size,
        state,
        histogram(i),
        ...(digit === 0 ? [{ scratch: 0 }] : []),
      ]),
      common,
      scratch: 4 * HISTOGRAM,
    },
    { kernel: finders[digit], blocks: [all], common },
  ]);
  const marks = ranges.map(({ from, size }, i): Word[] => [
    moved(startOf(x), from),
    moved(startOf(output), from),
    size,
    state,
    histogram(i),
  ]);
  return [...counting, { kernel: shareOut, blocks: [all], common }, { kernel: mark, blocks: marks, common }];
};
