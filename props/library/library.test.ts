/** Laws of the library that no table of values shows: draws, order of long rows, what an inverse undoes, ends of ranges. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../library/index.js";
import { orderOfRows } from "../../library/sort.js";
import { assertClose, assertSame, reference, run } from "../close.js";
import { eighths, hash, integers, seeds } from "../generators/generators.js";
import { check, law } from "../law.js";

const numbers = async (f: () => t.Tree, device: t.Device = reference): Promise<number[][]> =>
  (await run(f, [], device)).map((data) => Array.from(data, Number));

/** Numbers with ties, NaN and infinities. */
const odd = (shape: t.Shape, seed: number): t.Tensor =>
  t.tensor(
    Float64Array.from({ length: t.sizeOf(shape) }, (_, i) => {
      const h = hash(seed, i) % 16;
      return h === 0 ? Number.NaN : h === 1 ? Number.POSITIVE_INFINITY : h === 2 ? Number.NEGATIVE_INFINITY : h / 4 - 2;
    }),
    shape,
  );

/** NumPy's order: NaN last, equal elements as they were. */
const ordered = (row: readonly number[], descending: boolean): number[] => {
  const rank = (x: number) => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : x);
  const nan = (x: number) => Number(Number.isNaN(x));
  const order = (a: number, b: number) => (rank(a) === rank(b) ? 0 : rank(a) < rank(b) ? -1 : 1) || nan(a) - nan(b);
  return [...row.keys()].sort((i, j) => (descending ? order(row[j], row[i]) : order(row[i], row[j])) || i - j);
};

law(
  "rows of any length are sorted as by a stable sort, whatever blocks they are cut into",
  fc.record({ seed: seeds(), n: fc.integer({ min: 1, max: 21 }), block: fc.constantFrom(1, 2, 8), down: fc.boolean() }),
  async ({ seed, n, block, down }, device) => {
    const x = odd([2, n], seed);
    const [got] = await run((y: t.Tensor) => orderOfRows(y, down, block), [x], device);
    const rows = Array.from(t.constantNumbers(x).data);
    assertSame(
      got,
      [0, 1].flatMap((r) => ordered(rows.slice(r * n, (r + 1) * n), down)),
    );
  },
  { on: ["reference", "cpu"], effort: 0.3 },
);

check(
  "a row of many blocks is sorted: integers, and back by its permutation",
  async (device) => {
    const x = integers([600], 3, -50, 50);
    const f = (y: t.Tensor) => {
      const order = t.argsort(y);
      return [t.take(y, order, 0), t.take(t.sort(y), t.argsort(order), 0)];
    };
    const [sorted, back] = await run(f, [x], device);
    const rows = Array.from(t.constantNumbers(x).data);
    assertSame(
      sorted,
      [...rows].sort((a, b) => a - b),
    );
    assertSame(back, rows);
  },
  ["reference", "cpu"],
);

law(
  "cumsum's differences are what was summed; topk is the end of sort; median halves a row; a roll and its return are nothing",
  fc.record({ seed: seeds(), n: fc.integer({ min: 2, max: 9 }), shift: fc.integer({ min: -20, max: 20 }) }),
  async ({ seed, n, shift }, device) => {
    const x = eighths([2, n], seed);
    const f = (y: t.Tensor) => [
      t.sub(t.diff(t.cumsum(y, 1)), t.sliceAxis(y, 1, 1, n)),
      t.sub(t.topk(y, 2)[0], t.flip(t.sliceAxis(t.sort(y), 1, n - 2, n), 1)),
      t.sub(t.median(y, 1), t.quantile(y, 0.5, 1)),
      t.sub(t.roll(t.roll(y, shift, 1), -shift, 1), y),
      t.cast(t.not(t.allClose(y, t.add(y, 1e-9))), "f32"),
      t.sub(t.fullLike(y, 1), t.onesLike(y)),
      t.sub(
        t.padAxis(y, 1, 1, 2),
        t.pad(y, [
          [0, 0],
          [1, 2],
        ]),
      ),
    ];
    for (const zero of await run(f, [x], device)) assertSame(zero, new Array(zero.length).fill(0));
  },
  { on: ["reference", "cpu"], effort: 0.3 },
);

law(
  "einsum is the sum over all names that the result leaves out",
  fc.record({
    seed: seeds(),
    names: fc.array(fc.array(fc.constantFrom<string>("a", "b", "c", "d"), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 3,
    }),
    keep: fc.shuffledSubarray<string>(["a", "b", "c", "d"]),
  }),
  async ({ seed, names, keep }) => {
    const size: Readonly<Record<string, number>> = { a: 2, b: 3, c: 1, d: 2 };
    const all = ["a", "b", "c", "d"].filter((name) => names.flat().includes(name));
    const out = keep.filter((name) => all.includes(name));
    const args = names.map((some, i) =>
      eighths(
        some.map((name) => size[name]),
        seed + i,
      ),
    );
    const spec = `${names.map((some) => some.join("")).join(",")}->${out.join("")}`;
    const [got] = await run((...x: t.Tensor[]) => t.einsum(spec, ...x), args, reference);
    // Every factor over all names, multiplied, and summed.
    const at = (index: Record<string, number>, some: readonly string[]) =>
      some.reduce((place, name) => place * size[name] + index[name], 0);
    const want = new Array<number>(out.reduce((n, name) => n * size[name], 1)).fill(0);
    const count = all.reduce((n, name) => n * size[name], 1);
    for (let i = 0; i < count; i++) {
      let left = i;
      const index: Record<string, number> = {};
      for (const name of all) {
        index[name] = left % size[name];
        left = Math.floor(left / size[name]);
      }
      want[at(index, out)] += args.reduce(
        (product, x, k) => product * t.constantNumbers(x).data[at(index, names[k])],
        1,
      );
    }
    assertClose(got, want, { abs: 1e-9 }, spec);
  },
  { on: ["reference"] },
);

law(
  "conv2d is its definition",
  fc.record({
    seed: seeds(),
    stride: fc.integer({ min: 1, max: 3 }),
    padding: fc.integer({ min: 0, max: 2 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    groups: fc.constantFrom(1, 2),
    H: fc.integer({ min: 4, max: 6 }),
    K: fc.integer({ min: 1, max: 2 }),
  }),
  async ({ seed, stride, padding, dilation, groups, H, K }) => {
    const [W, C, O, L] = [5, 2, 4, 2];
    const [x, w] = [eighths([1, C, H, W], seed), eighths([O, C / groups, K, L], seed + 1)];
    const options = { stride, padding, dilation, groups };
    const shape: number[] = [];
    const f = (a: t.Tensor, b: t.Tensor) => {
      const y = t.conv2d(a, b, options);
      shape.push(...y.shape);
      return y;
    };
    const [got] = await run(f, [x, w], reference);
    const [xs, ws] = [x, w].map((y) => t.constantNumbers(y).data);
    const element = (c: number, i: number, j: number) =>
      i < 0 || j < 0 || i >= H || j >= W ? 0 : xs[(c * H + i) * W + j];
    const [, , T, U] = shape.slice(0, 4);
    const span = (k: number) => dilation * (k - 1) + 1;
    assert.deepEqual(
      [T, U],
      [H, W].map((n, i) => Math.floor((n + 2 * padding - span(i === 0 ? K : L)) / stride) + 1),
    );
    const each = C / groups;
    got.forEach((value, place) => {
      const [o, i, j] = [Math.floor(place / (T * U)), Math.floor(place / U) % T, place % U];
      let want = 0;
      for (let c = 0; c < each; c++)
        for (let k = 0; k < K; k++)
          for (let l = 0; l < L; l++)
            want +=
              ws[((o * each + c) * K + k) * L + l] *
              element(
                Math.floor(o / (O / groups)) * each + c,
                stride * i + dilation * k - padding,
                stride * j + dilation * l - padding,
              );
      assert.ok(Math.abs(value - want) < 1e-9, `${value} for ${want} at ${[o, i, j]}`);
    });
  },
  { on: ["reference"], effort: 0.7 },
);

check(
  "arraySplit cuts as NumPy's array_split does, by sections and by places, and what is joined again is whole",
  async (device) => {
    const cut: readonly (readonly [number | readonly number[], readonly (readonly number[])[]])[] = [
      [
        3,
        [
          [0, 1, 2],
          [3, 4],
          [5, 6],
        ],
      ],
      [
        [2, 5],
        [
          [0, 1],
          [2, 3, 4],
          [5, 6],
        ],
      ],
      [
        [5, 2],
        [[0, 1, 2, 3, 4], [], [2, 3, 4, 5, 6]],
      ],
      [
        [-2, 9],
        [[0, 1, 2, 3, 4], [5, 6], []],
      ],
      [
        [0, 0],
        [[], [], [0, 1, 2, 3, 4, 5, 6]],
      ],
    ];
    const x = t.arange(7);
    const got = await numbers(() => cut.flatMap(([at]) => t.arraySplit(x, at)), device);
    assert.deepEqual(
      got,
      cut.flatMap(([, parts]) => parts),
    );
    const wide = eighths([2, 7], 1);
    const [same] = await numbers(() => t.sub(t.concat(t.arraySplit(wide, 4, -1), 1), wide), device);
    assert.deepEqual(same, new Array(14).fill(0));
    for (const wrong of [0, 1.5, [0.5]])
      assert.throws(() => t.arraySplit(x, wrong), /^ShapeError: arraySplit\(.*neither an integer/);
  },
  ["reference"],
);

law(
  "matrices of any size come back from their factors: L·Lᵀ, v·diag(w)·vᵀ, x·x⁻¹, whose determinants cancel",
  fc.record({ seed: seeds(), n: fc.integer({ min: 1, max: 7 }) }),
  async ({ seed, n }) => {
    const a = eighths([2, n, n], seed);
    const same = t.matmul(a, t.transpose(a));
    const x = t.add(same, t.eye(n));
    const [l, [w, v], [q, r]] = [t.cholesky(x), t.eigh(same), t.qr(x)];
    // Wide, and with a column that depends on the others.
    const wide = t.concat([x, t.sliceAxis(x, -1, 0, 1)], -1);
    const [u, s, vt] = t.svd(wide);
    const parts = [
      t.sub(t.matmul(l, t.transpose(l)), x),
      t.sub(t.matmul(t.mul(v, t.expandDims(w, 1)), t.transpose(v)), same),
      t.sub(t.matmul(t.transpose(v), v), t.eye(n)),
      t.sub(t.matmul(x, t.inv(x)), t.eye(n)),
      t.sub(t.mul(t.det(x), t.det(t.inv(x))), 1),
      t.sub(t.log(t.det(x)), t.slogdet(x)[1]),
      t.relu(t.neg(t.diff(w))), // ascending
      t.sub(t.tril(l), l),
      t.sub(t.matmul(t.mul(u, t.expandDims(s, -2)), vt), wide),
      t.sub(t.matmul(vt, t.transpose(vt)), t.eye(n)),
      t.relu(t.diff(s)), // descending
      t.sub(t.matmul(q, r), x),
      t.sub(t.matmul(t.transpose(q), q), t.eye(n)),
    ];
    for (const off of await numbers(() => parts))
      assertClose(
        off,
        off.map(() => 0),
        { abs: 1e-7 },
      );
  },
  { on: ["reference"], effort: 0.2 },
);

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
