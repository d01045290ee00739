/**
 * A driver may assume that NaN and infinities do not occur, and fold what its compiler can see through: x − x to 0, 0 · x to
 * 0, x / 0 to anything. So kernels may show it nothing to fold: these laws hold them to IEEE arithmetic, with special
 * values as data and as constants of the program. All other kernels: webgpu-special-fused.test.ts.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../../core/index.js";
import { run } from "../../close.js";
import { hash } from "../../generators/generators.js";
import {
  apply,
  BINARY,
  COMPARE,
  constant,
  EXACT_UNARY,
  INF,
  LOGIC,
  NAN,
  type PointwiseCase,
  ROUNDED_UNARY,
  SPECIAL,
  settled,
  TINY,
  type Value,
  where,
} from "../../generators/special-programs.js";
import { webgpuCheck, webgpuLaw } from "./webgpu-variants.js";

/** Is it what it should be: NaN, an infinity, or a number near enough that no special value was mistaken for it? */
const agrees = (got: number, want: number): boolean =>
  got === want ||
  (Number.isNaN(got) && Number.isNaN(want)) ||
  (Number.isFinite(got) && Math.abs(got - want) <= 2e-6 * Math.abs(want) + Math.max(2e-7, 2 * TINY));

const assertSpecial = (got: ArrayLike<number>, want: readonly number[], name: (i: number) => string): void => {
  assert.equal(got.length, want.length);
  want.forEach((x, i) => {
    assert.ok(agrees(got[i], x), `${name(i)} = ${got[i]}, not ${x}`);
  });
};

const f32 = (numbers: readonly number[]) => t.tensor(Float32Array.from(numbers));
const UNARY = { ...EXACT_UNARY, ...ROUNDED_UNARY };
const toNumber = (x: t.Tensor) => (x.dtype === "bool" ? t.cast(x, "f32") : x);

webgpuCheck("every unary op of every special value is IEEE's, as data and as a constant", async (device) => {
  for (const [name, { op, define }] of Object.entries(UNARY)) {
    const want = SPECIAL.map((x) => Math.fround(define(Math.fround(x))));
    const results = await run((x: t.Tensor) => [op(x), ...SPECIAL.map((c) => op(t.scalar(c)))], [f32(SPECIAL)], device);
    const [ofData, ...ofConstants] = results;
    assertSpecial(ofData, want, (i) => `${name}(${SPECIAL[i]})`);
    assertSpecial(
      ofConstants.map(([x]) => x),
      want,
      (i) => `${name}(${SPECIAL[i]}), a constant`,
    );
  }
});

/** Every pair of values, as two vectors. */
const pairs = (values: readonly number[]): [number[], number[]] => [
  values.flatMap((x) => values.map(() => x)),
  values.flatMap(() => values),
];

webgpuCheck("every binary op of special values is IEEE's, as data and as constants on either side", async (device) => {
  const [xs, ys] = pairs(SPECIAL);
  for (const [name, { op, define }] of Object.entries({ ...BINARY, ...COMPARE })) {
    const wanted = (x: number, y: number) => Math.fround(define(Math.fround(x), Math.fround(y)));
    const f = (x: t.Tensor, y: t.Tensor, z: t.Tensor) =>
      [op(x, y), ...SPECIAL.flatMap((c) => [op(z, t.full(z.shape, c)), op(t.full(z.shape, c), z)])].map(toNumber);
    const [ofData, ...rest] = await run(f, [f32(xs), f32(ys), f32(SPECIAL)], device);
    assertSpecial(
      ofData,
      xs.map((x, i) => wanted(x, ys[i])),
      (i) => `${name}(${xs[i]}, ${ys[i]})`,
    );
    SPECIAL.forEach((c, at) => {
      const [right, left] = [0, 1].map((side) => SPECIAL.map((x) => (side === 0 ? wanted(x, c) : wanted(c, x))));
      assertSpecial(rest[2 * at], right, (i) => `${name}(${SPECIAL[i]}, constant ${c})`);
      assertSpecial(rest[2 * at + 1], left, (i) => `${name}(constant ${c}, ${SPECIAL[i]})`);
    });
  }
});

/** A vector given to a program. */
const given = (make: t.Tensor, numbers: readonly number[]): Value => ({ make, numbers, isGiven: true });
const { add, sub, mul, div, maximum, minimum } = BINARY;
const { less, lessEqual, equal } = COMPARE;
const { neg, abs, sign } = EXACT_UNARY;
const { sqrt, rsqrt, exp, log } = ROUNDED_UNARY;
const asNumber: PointwiseCase = { op: (x) => t.cast(x, "f32"), define: (x) => x };

/** What algebra would shorten, were there no NaN, infinities or zeros. */
const SHORTENED: Readonly<Record<string, (x: Value, y: Value, z: Value) => Value>> = {
  "x − x": (x) => apply(sub, x, x),
  "x + −x": (x) => apply(add, x, apply(neg, x)),
  "x / x": (x) => apply(div, x, x),
  "x · (1 / x)": (x) => apply(mul, x, apply(div, constant(1, x), x)),
  "1 / (1 / x)": (x) => apply(div, constant(1, x), apply(div, constant(1, x), x)),
  "(x + y) − x": (x, y) => apply(sub, apply(add, x, y), x),
  "(x + y) − y": (x, y) => apply(sub, apply(add, x, y), y),
  "(x − y) + y": (x, y) => apply(add, apply(sub, x, y), y),
  "x − (x − y)": (x, y) => apply(sub, x, apply(sub, x, y)),
  "(x · y) / y": (x, y) => apply(div, apply(mul, x, y), y),
  "(x / y) · y": (x, y) => apply(mul, apply(div, x, y), y),
  "x · y − x · z": (x, y, z) => apply(sub, apply(mul, x, y), apply(mul, x, z)),
  "x · y + x · z": (x, y, z) => apply(add, apply(mul, x, y), apply(mul, x, z)),
  "x · y − x": (x, y) => apply(sub, apply(mul, x, y), x),
  "(1 − y) · x + y · z": (x, y, z) => apply(add, apply(mul, apply(sub, constant(1, x), y), x), apply(mul, y, z)),
  "√x · √x": (x) => apply(mul, apply(sqrt, x), apply(sqrt, x)),
  "rsqrt x · rsqrt x": (x) => apply(mul, apply(rsqrt, x), apply(rsqrt, x)),
  "exp log x": (x) => apply(exp, apply(log, x)),
  "log exp x": (x) => apply(log, apply(exp, x)),
  "0 · exp x": (x) => apply(mul, constant(0, x), apply(exp, x)),
  "sign x · |x|": (x) => apply(mul, apply(sign, x), apply(abs, x)),
  "x · (y < z)": (x, y, z) => apply(mul, x, apply(asNumber, apply(less, y, z))),
  "x / (y ≤ z)": (x, y, z) => apply(div, x, apply(asNumber, apply(lessEqual, y, z))),
  "x · (y ? 1 : 0)": (x, y, z) => apply(mul, x, where(apply(equal, y, z), constant(1, x), constant(0, x))),
  "not x < y": (x, y) => apply(asNumber, apply(LOGIC.not, apply(less, x, y))),
  "not x ≤ y": (x, y) => apply(asNumber, apply(LOGIC.not, apply(lessEqual, x, y))),
  "not x = x": (x) => apply(asNumber, apply(LOGIC.not, apply(equal, x, x))),
  "x = x": (x) => apply(asNumber, apply(equal, x, x)),
  "x ≤ x": (x) => apply(asNumber, apply(lessEqual, x, x)),
  "x < x": (x) => apply(asNumber, apply(less, x, x)),
  "0 ≤ x · x": (x) => apply(asNumber, apply(lessEqual, constant(0, x), apply(mul, x, x))),
  "|x| < 0": (x) => apply(asNumber, apply(less, apply(abs, x), constant(0, x))),
  "max(x · x, 0)": (x) => apply(maximum, apply(mul, x, x), constant(0, x)),
  "max(x, x)": (x) => apply(maximum, x, x),
  "min(max(x, 0), 1)": (x) => apply(minimum, apply(maximum, x, constant(0, x)), constant(1, x)),
  "x < y ? x : y": (x, y) => where(apply(less, x, y), x, y),
  "x < y ? y : x": (x, y) => where(apply(less, x, y), y, x),
  "0 < x ? x : 0": (x) => where(apply(less, constant(0, x), x), x, constant(0, x)),
  "x < 0 ? −x : x": (x) => where(apply(less, x, constant(0, x)), apply(neg, x), x),
  "x = y ? x : y": (x, y) => where(apply(equal, x, y), x, y),
  "x = 0 ? 0 : 1 / x": (x) => {
    const zero = constant(0, x);
    return where(apply(equal, x, zero), zero, apply(div, constant(1, x), x));
  },
};

const FEW = [0, 1, -1, 2, -0.5, INF, -INF, NAN];

webgpuCheck("what algebra would shorten is computed as written: NaN and infinities stay", async (device) => {
  const numbers = [0, 1, 2].map((place) => FEW.flatMap((x) => FEW.flatMap((y) => FEW.map((z) => [x, y, z][place]))));
  // Each operand as data; then one of them as a constant.
  for (const constantAt of [-1, 0, 1, 2])
    for (const value of constantAt < 0 ? [0] : FEW) {
      const wanted: (readonly number[])[] = [];
      const seen = numbers.map((xs, place) => (place === constantAt ? xs.map(() => value) : xs));
      const f = (...inputs: t.Tensor[]) => {
        const values = inputs.map((x, place) =>
          place === constantAt ? constant(value, given(x, numbers[place])) : given(x, numbers[place]),
        );
        return Object.values(SHORTENED).map((form) => {
          const [x, y, z] = values;
          const { make, numbers: want } = form(x, y, z);
          wanted.push(want);
          return make;
        });
      };
      const got = await run(f, numbers.map(f32), device);
      Object.keys(SHORTENED).forEach((form, at) => {
        assertSpecial(got[at], wanted[at], (i) => `${form} of ${seen.map((xs) => xs[i])}, constant ${constantAt}`);
      });
    }
});

/** One op of a drawn program: which, and on which of the values before it, counted from the last. */
const step = () => fc.record({ op: fc.nat({ max: 99 }), at: fc.tuple(fc.nat(), fc.nat(), fc.nat()) });

/** A program on `leaves`: its values in order. What later ops compare or cut has few digits or is coarse. */
const programOf = (
  steps: readonly { readonly op: number; readonly at: readonly number[] }[],
  leaves: readonly Value[],
): Value[] => {
  const [like] = leaves;
  const numbers: Value[] = [...leaves];
  const truths: Value[] = [apply(COMPARE.less, like, constant(1, like))];
  const settle = (x: Value, isExact: boolean) => numbers.push(settled(x, isExact));
  for (const { op, at } of steps) {
    const [x, y, z] = at.map((back) => numbers[numbers.length - 1 - (back % numbers.length)]);
    const [c, d] = at.map((back) => truths[truths.length - 1 - (back % truths.length)]);
    const plainly = (y: Value) => (y.isGiven ? y : apply(EXACT_UNARY.abs, y)); // a computed zero has no sure sign
    const pick = <T>(table: Readonly<Record<string, T>>): T => Object.values(table)[at[2] % Object.keys(table).length];
    if (op < 40) {
      const chosen = pick(BINARY);
      settle(apply(chosen, x, chosen === BINARY.div ? plainly(y) : y), chosen !== BINARY.div);
    } else if (op < 52) settle(apply(pick(EXACT_UNARY), x), true);
    else if (op < 64) settle(apply(pick(ROUNDED_UNARY), plainly(x)), false);
    else if (op < 78) truths.push(apply(pick(COMPARE), x, y));
    else if (op < 84) truths.push(apply(pick(LOGIC), c, d));
    else if (op < 90) settle(where(c, x, z), true);
    else if (op < 95) settle(apply(asNumber, c), true);
    else numbers.push(constant(FEW[at[2] % FEW.length], like));
  }
  return numbers;
};

const ROWS = 96;
/** Rows of three special values. */
const drawn = (seed: number): number[] => Array.from({ length: 3 * ROWS }, (_, i) => FEW[hash(seed, i) % FEW.length]);
const rowsOf = (xs: readonly number[]) => Array.from({ length: ROWS }, (_, row) => xs.slice(3 * row, 3 * row + 3));

webgpuLaw(
  "drawn programs over special values are IEEE's: maps, sums, maxima, what follows a product",
  fc.record({ steps: fc.array(step(), { minLength: 2, maxLength: 16 }), seed: fc.nat({ max: 9999 }) }),
  async ({ steps, seed }, device) => {
    const [xs, ys] = [drawn(seed), drawn(seed + 1)];
    const us = Array.from({ length: ROWS }, (_, i) => FEW[hash(seed + 2, i) % FEW.length]);
    const factors = [1, -1, 2];
    const products = us.flatMap((u) => factors.map((v) => u * v));
    const wanted: (readonly number[])[] = [];
    const f = (...[x, y, u, v]: t.Tensor[]) => {
      const [a, b] = [given(x, xs), given(y, ys)];
      const product: Value = { make: t.matmul(u, v), numbers: products, isGiven: false };
      const values = programOf(steps, [constant(FEW[seed % FEW.length], a), product, a, b]).slice(4);
      const last = values.at(-1) ?? b;
      const few = rowsOf(last.numbers);
      const after = programOf(steps, [constant(FEW[seed % FEW.length], a), product]).at(-1) ?? product;
      wanted.push(
        ...values.slice(-3).map(({ numbers }) => numbers),
        few.map((row) => row.reduce((sum, n) => sum + n, 0)),
        few.map((row) => Math.max(...row)),
        few.map((row) => row.reduce((sum, n) => sum + n, 0) / 0),
        after.numbers,
      );
      return [
        ...values.slice(-3).map(({ make }) => make),
        ...[t.sum(last.make, 1), t.max(last.make, 1), t.div(t.sum(last.make, 1), 0)],
        after.make,
      ];
    };
    const inputs = [t.tensor(Float32Array.from(xs), [ROWS, 3]), t.tensor(Float32Array.from(ys), [ROWS, 3])];
    const got = await run(
      f,
      [...inputs, t.tensor(Float32Array.from(us), [ROWS, 1]), t.tensor(Float32Array.from(factors), [1, 3])],
      device,
    );
    wanted.forEach((want, at) => {
      assertSpecial(got[at], want.map(Math.fround), (i) => `output ${at}, element ${i}`);
    });
  },
  8,
);
