/** Laws of the library that no table of values shows: draws, ends of ranges, quotients of integers. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../library/index.js";
import { assertClose, assertSame, reference, run } from "../close.js";
import { check, law } from "../law.js";

const numbers = async (f: () => t.Tree, device: t.Device = reference): Promise<number[][]> =>
  (await run(f, [], device)).map((data) => Array.from(data, Number));

/** Σ (seen - expected)²/expected of draws among as many as there are expected. */
const chiSquare = (draws: readonly number[], shares: readonly number[]): number => {
  const seen = shares.map((_, i) => draws.filter((d) => d === i).length);
  return shares.reduce((total, p, i) => total + (seen[i] - p * draws.length) ** 2 / (p * draws.length), 0);
};

check("draws have their distributions, and are the same on every device", async (device) => {
  const N = 4000;
  const shares = [0.1, 0.2, 0.3, 0.4];
  const logits = t.log(t.tensor(shares));
  const k = t.split(t.key(11), 12);
  const [drawn, dice, one, far, order, few, kept, waits, heads, rows] = await numbers(
    () => [
      t.categorical(k[0], logits, { draws: N }),
      t.randint(k[1], [N], -2, 4),
      t.randint(k[2], [64], 0, 3_000_000_000 - 2 ** 31),
      t.truncatedNormal(k[3], -0.5, 2, [N]),
      t.permutation(k[4], 200),
      t.choice(k[5], 5, [4], { replace: false, p: t.tensor([1, 1, 0.5, 0.1, 0.1]) }),
      t.dropout(k[6], t.ones([N]), 0.25),
      t.exponential(k[7], [N]),
      t.choice(k[8], t.tensor([5, 6]), [N], { p: t.tensor([1, 3]) }),
      t.gumbel(k[9], [N]),
    ],
    device,
  );
  // χ² of three and five degrees of freedom lies below 16.3 and 20.5 with probability 0.999.
  assert.ok(chiSquare(drawn, shares) < 16.3);
  assert.ok(
    chiSquare(
      dice.map((d) => d + 2),
      new Array(6).fill(1 / 6),
    ) < 20.5,
  );
  assert.ok(
    chiSquare(
      kept.map((x) => Number(x !== 0)),
      [0.25, 0.75],
    ) < 10.8,
  );
  assert.ok(
    chiSquare(
      heads.map((x) => x - 5),
      [0.25, 0.75],
    ) < 10.8,
  );
  assert.ok(one.every((x) => Number.isInteger(x) && x >= 0 && x < 3_000_000_000 - 2 ** 31));
  assert.ok(far.every((x) => x >= -0.5 && x <= 2));
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    [...order.keys()],
  );
  assert.notDeepEqual(order, [...order.keys()]);
  assert.equal(new Set(few).size, 4);
  assert.deepEqual(new Set(kept.map((x) => Math.fround(x))), new Set([0, Math.fround(4 / 3)]));
  const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  // φ(-½) - φ(2) over Φ(2) - Φ(-½); Euler's constant: each within four standard errors.
  assert.ok(
    Math.abs(mean(far) - 0.4455) < 0.04 && Math.abs(mean(waits) - 1) < 0.064 && Math.abs(mean(rows) - 0.5772) < 0.082,
  );
  const again = await numbers(() => [t.randint(k[1], [N], -2, 4), t.permutation(k[4], 200)]);
  assert.deepEqual(again, [dice, order]);
});

check(
  "at the ends of their ranges functions are C's, and gradients there are infinite or finite, not NaN",
  async (device) => {
    const inf = Number.POSITIVE_INFINITY;
    const { NaN: nan } = Number;
    const of = (f: (x: t.Tensor) => t.Tensor, ...at: number[]) => [
      f(t.tensor(at)),
      t.grad((x: t.Tensor) => t.sum(f(x)))(t.tensor(at)),
    ];
    const both = (f: (x: t.Tensor, y: t.Tensor) => t.Tensor, ...at: [number, number][]) => [
      f(t.tensor(at.map(([x]) => x)), t.tensor(at.map(([, y]) => y))),
    ];
    const [root, ln2] = [Math.sqrt(Math.PI) / 2, Math.LN2];
    const cases: readonly (readonly [t.Tensor[], number[][]])[] = [
      [
        of(t.erfInv, 0, 0.5, 1, -1, 2),
        [
          [0, 0.476936276, inf, -inf, nan],
          [root, 1.11258482, 0, 0, 0],
        ],
      ],
      [of(t.asin, 1, -1).slice(1), [[inf, inf]]],
      [of(t.acos, 1, -1).slice(1), [[-inf, -inf]]],
      [of(t.acosh, 1, inf, 1e30, -1e10), [[0, inf, Math.log(1e30) + ln2, nan]]],
      [
        of(t.asinh, -inf, 1e30, -1e30, 0),
        [
          [-inf, Math.log(1e30) + ln2, -Math.log(1e30) - ln2, 0],
          [0, 1e-30, 1e-30, 1],
        ],
      ],
      [
        both(t.atan2, [inf, inf], [inf, -inf], [-inf, inf], [1, inf]),
        [[Math.PI / 4, (3 * Math.PI) / 4, -Math.PI / 4, 0]],
      ],
      [both(t.hypot, [3e30, 4e30], [3e-30, 4e-30], [inf, nan], [0, 0], [nan, 1]), [[5e30, 5e-30, inf, 0, nan]]],
      [
        both(t.pow, [-inf, 0.5], [-inf, -0.5], [-inf, 3], [0, nan], [1, nan], [1, inf], [-1, inf], [-2, 0.5]),
        [[inf, 0, -inf, nan, 1, 1, 1, nan]],
      ],
      [
        [
          t.logSumExp(
            t.tensor([
              [-inf, -inf],
              [inf, 1],
              [-inf, 2],
              [nan, 1],
            ]),
          ),
        ],
        [[-inf, inf, 2, nan]],
      ],
      [both(t.searchSorted, [1, nan], [2, 2], [nan, 0]), [[2, 1, 0]]],
    ];
    for (const [made, wanted] of cases) {
      const got = await run(() => made, [], device);
      wanted.forEach((want, i) => {
        for (const [j, number] of want.entries()) assertClose([got[i][j]], [number], { rel: 1e-5 });
      });
    }
  },
  ["reference", "cpu"],
);

law(
  "quotients of integers are exact, and with what is left they make the number again",
  fc.record({
    x: fc.array(fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -9, max: 9 })), {
      minLength: 4,
      maxLength: 4,
    }),
    y: fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -9, max: 9 })),
  }),
  async ({ x, y }, device) => {
    const pair = (z: t.Tensor, d: t.Tensor) => [t.floorDivide(z, d), t.mod(z, d)];
    const [a, b] = [t.tensor(Int32Array.from(x)), t.scalar(y, "i32")];
    const [quotient, left] = await run(pair, [a, b], device);
    assertSame(
      quotient,
      x.map((n) => (y === 0 ? 0 : Math.floor(n / y) | 0)),
    );
    assertSame(
      left,
      x.map((n) => (y === 0 ? n : n - y * Math.floor(n / y))),
    );
    const [whole] = await run(pair, [t.tensor(Uint32Array.from(x)), t.scalar(Math.abs(y), "u32")], device);
    assertSame(
      whole,
      x.map((n) => (y === 0 ? 0 : Math.floor((n >>> 0) / Math.abs(y)))),
    );
  },
  { on: ["reference", "cpu"], effort: 0.2 },
);
