/** Laws of the elementary functions that definitions, schedules and frequencies are made of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { atan, cos, exp, expm1, log, log1p, pow, sin, tanh } from "../../core/elementary.js";
import { holds } from "../../testing/law.js";
import { hash } from "../generators/generators.js";

const functions = { exp, expm1, log, log1p, sin, cos, atan, tanh };
const NAMES = Object.keys(functions) as (keyof typeof functions)[];
/** That of Math is within an ulp itself. */
const ULPS = 4;

/** How many f64 lie between two; of one sign, or one of them is 0. */
const apart = (a: number, b: number): number => {
  if (Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const [x, y] = new BigInt64Array(Float64Array.of(a, b).buffer);
  return Math.abs(Number(x - y));
};

const special = [0, -0, 1, -1, 0.5, -0.5, 709.78, -745.1, 710, 5e-324, -1e-320, 1e308, 2 ** 20, -(2 ** 20), 1e22];
special.push(Math.PI, Math.PI / 4, Math.SQRT1_2, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN);

for (const name of NAMES)
  test(`${name} is that of Math but for ${ULPS} ulp, at any f64`, async () => {
    const numbers = fc.oneof(fc.double(), fc.double({ min: -50, max: 50 }), fc.constantFrom(...special));
    const check = (x: number) => {
      const [found, wanted] = [functions[name](x), Math[name](x)];
      assert.ok(apart(found, wanted) <= ULPS, `${name}(${x}) is ${found}, not ${wanted}`);
    };
    special.forEach(check);
    await holds(numbers, async (x) => check(x), 500);
  });

test("pow is that of JavaScript but for 4 ulp, and exact where its logarithm is", async () => {
  const bases = fc.double({ min: 0, max: 1e6, noNaN: true });
  await holds(
    fc.tuple(bases, fc.double({ min: -20, max: 20, noNaN: true })),
    async ([x, y]) => assert.ok(apart(pow(x, y), x ** y) <= 4, `pow(${x}, ${y}) is ${pow(x, y)}, not ${x ** y}`),
    500,
  );
  await holds(bases, async (x) => assert.deepEqual([pow(x, 0), pow(x, 1)], [1, x]), 100);
  for (let k = 0; k < 40; k++) assert.deepEqual([pow(2, k), pow(0.5, k)], [2 ** k, 2 ** -k]);
});

/** What every engine finds; written down once. */
const DIGEST = "5be728c4";

test("the same bits on every engine", () => {
  const numbers = Float64Array.from({ length: 1000 }, (_, i) => (hash(7, i) / 2 ** 32 - 0.5) * 10 ** (i % 7));
  let digest = 0x811c9dc5;
  for (const name of [...NAMES, "pow" as const]) {
    const found = numbers.map((x) => (name === "pow" ? pow(Math.abs(x), 0.3) : functions[name](x)));
    for (const byte of new Uint8Array(found.buffer)) digest = Math.imul(digest ^ byte, 0x01000193) >>> 0;
  }
  assert.equal(digest.toString(16), DIGEST);
});
