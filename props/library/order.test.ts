/** Laws of order and places: sorting of long rows, sums along an axis, cuts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../library/index.js";
import { orderOfRows } from "../../library/sort.js";
import { assertSame, reference, run } from "../close.js";
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
