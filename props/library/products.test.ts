/** Laws of sums of products, and of matrices that come back from their factors. */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as t from "../../library/index.js";
import { assertClose, reference, run } from "../close.js";
import { eighths, seeds } from "../generators/generators.js";
import { law } from "../law.js";

const numbers = async (f: () => t.Tree, device: t.Device = reference): Promise<number[][]> =>
  (await run(f, [], device)).map((data) => Array.from(data, Number));

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
