/** What is large, and what is no number: more rows than a grid has groups, more tensors than a kernel has bindings, NaN, ∞. */
import assert from "node:assert/strict";
import * as t from "../../core/index.js";
import { agrees, assertClose, assertSame, EPS, run } from "../close.js";
import { eighths, integers, positives } from "../generators/generators.js";
import { check } from "../law.js";

/** WebGPU dispatches at most 65 535 groups along an axis. */
const MANY = 70_001;
const fast = ["cpu", "webgpu"] as const;

check(
  "more than 65 535 rows: reductions, products, lookups and fused ops reach the last one",
  async (device) => {
    const x = eighths([MANY, 3], 1);
    const rows = (i: t.Tensor) => [t.sum(i, 1), t.max(i, 1), t.sum(i, 0)];
    await agrees(rows, [x], device, {});
    const products = (i: t.Tensor) => [t.matmul(t.reshape(i, [MANY, 1, 3]), t.reshape(i, [MANY, 3, 1]))];
    await agrees(products, [x], device, {});
    await agrees((a: t.Tensor, b: t.Tensor) => t.matmul(a, b), [x, eighths([3, 2], 2)], device, {});
    const ids = integers([MANY], 3, -1, MANY);
    await agrees((a: t.Tensor, i: t.Tensor) => [t.gather(a, i), t.scatterAdd(i, a, MANY)], [x, ids], device, {});
    await agrees((a: t.Tensor) => t.softmax(a), [x], device, { rel: 16 * EPS });
    await agrees((a: t.Tensor, w: t.Tensor) => t.rmsnorm(a, w, 1e-5), [x, positives([3], 4)], device, {
      rel: 16 * EPS,
    });
    const target = integers([MANY], 5, 0, 2);
    await agrees((a: t.Tensor, i: t.Tensor) => t.crossEntropy(a, i), [x, target], device, { rel: 32 * EPS });
  },
  fast,
);

check(
  "more than 65 535 rows: gradients of fused ops",
  async (device) => {
    const x = eighths([MANY, 3], 1);
    const target = integers([MANY], 5, 0, 2);
    const slopes = (a: t.Tensor, w: t.Tensor, i: t.Tensor) => {
      const g = t.grad((p: t.Tensor[]) => t.sum(t.square(t.rmsnorm(t.softmax(p[0]), p[1], 0.5))))([a, w]);
      return [...g, t.grad((p: t.Tensor) => t.sum(t.square(t.crossEntropy(p, i))))(a)];
    };
    // The weight's gradient is a sum over all rows; blocks of it add up in f32.
    await agrees(slopes, [x, positives([3], 4), target], device, { rel: 1e-5, abs: 1e-5 });
  },
  fast,
);

check(
  "attention over more than 65 535 queries, and its gradient",
  async (device) => {
    const q = eighths([MANY, 1, 1, 2], 1, 1);
    const [k, v] = [2, 3].map((seed) => eighths([MANY, 2, 1, 2], seed, 1));
    const position = integers([MANY, 1], 4, 0, 1);
    const f = (p: t.Tensor[], at: t.Tensor) => {
      const loss = (y: t.Tensor[]) => t.sum(t.square(t.attention(y[0], y[1], y[2], at, 0.5)));
      return [t.attention(p[0], p[1], p[2], at, 0.5), ...t.grad(loss)(p)];
    };
    await agrees(f, [[q, k, v], position], device, { rel: 2e-6, abs: 2e-6 });
  },
  fast,
);

check(
  "a pointwise kernel over more elements than 65 535 groups of 256",
  async (device) => {
    const n = 65_536 * 256 + 77;
    const [got] = await run(() => t.add(t.mul(t.iota([n], 0, "u32"), 3), 1), [], device);
    assert.equal(got.length, n);
    let wrong = 0;
    for (let i = 0; i < n; i++) if (got[i] !== 3 * i + 1) wrong++;
    assert.equal(wrong, 0);
  },
  fast,
);

check(
  "one sum of eighths over a million elements is exact, along rows and along columns",
  async (device) => {
    const x = eighths([1000, 1000], 1);
    await agrees((y: t.Tensor) => [t.sum(y), t.sum(y, 0), t.sum(y, 1), t.max(y)], [x], device, {});
  },
  fast,
);

check(
  "a kernel takes more tensors than there are bindings: sums of 40, joins of 40, 40 outputs",
  async (device) => {
    const parts = Array.from({ length: 40 }, (_, i) => eighths([2, 3], i));
    const all = (p: t.Tensor[]) => {
      const total = p.reduce((a, b) => t.add(a, b));
      return [total, t.sum(total), t.concat(p, 0), ...p.map((x) => t.sub(x, total))];
    };
    await agrees(all, [parts], device, {});
  },
  fast,
);

check(
  "topkMask over a million elements, most of them tied",
  async (device) => {
    const n = 1_000_003;
    const x = eighths([n], 1);
    const data = t.constantData(x).data;
    for (const k of [1, 12_345, 500_000, n]) {
      const [got] = await run((y: t.Tensor) => t.topkMask(y, k), [x], device);
      // Magnitudes are 17 different eighths: whole levels are in, then the first of one level.
      const order = Array.from({ length: 16 }, (_, i) => (16 - i) / 8);
      const want = new Uint32Array(n);
      let left = k;
      for (const level of order)
        for (let i = 0; i < n && left > 0; i++)
          if (Math.abs(data[i]) === level) {
            want[i] = 1;
            left--;
          }
      assertSame(got, want, `k = ${k}`);
    }
  },
  fast,
);

check(
  "NaN and infinities come through as IEEE has them, and no comparison with NaN holds",
  async (device) => {
    const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
    const x = t.tensor(Float64Array.from([nan, inf, -inf, 1, nan, 0]));
    const y = t.tensor(Float64Array.from([1, inf, 2, nan, nan, -inf]));
    const pairs = (a: t.Tensor, b: t.Tensor) => [
      t.add(a, b),
      t.mul(a, b),
      t.maximum(a, b),
      t.minimum(a, b),
      t.cast(t.less(a, b), "f32"),
      t.cast(t.lessEqual(a, b), "f32"),
      t.cast(t.equal(a, b), "f32"),
      t.where(t.less(a, b), a, b),
      t.abs(a),
      t.neg(a),
      t.exp(a),
      t.sigmoid(a),
      t.tanh(a),
      t.softplus(a),
      t.sqrt(t.abs(a)),
      t.log(t.abs(a)),
    ];
    await agrees(pairs, [x, y], device, { abs: 1e-6 });
    const rows = t.tensor(Float64Array.from([1, nan, 2, inf, 1, -inf, -inf, -inf, -inf]), [3, 3]);
    await agrees((a: t.Tensor) => [t.sum(a, 1), t.max(a, 1)], [rows], device, {});
    // NaN ranks above ∞, and is not lost among the numbers.
    const largest = (a: t.Tensor) => [1, 3, 4].map((k) => t.topkMask(a, k));
    await agrees(largest, [x], device, {});
    const [, three] = await run(largest, [x], device);
    assertSame(three, [1, 1, 0, 0, 1, 0]);
    const signs = (a: t.Tensor) => [t.div(a, 0), t.div(a, -0)]; // two constants, not one
    await agrees(signs, [t.tensor([1, -1])], device, {});
  },
  fast,
);

check(
  "shapes with an empty axis go through every kind of step",
  async (device) => {
    const f = (x: t.Tensor, ids: t.Tensor) => [
      t.exp(x),
      t.sum(x),
      t.sum(x, 0),
      t.sum(x, 1),
      t.transpose(x),
      t.matmul(x, t.transpose(x)),
      t.matmul(t.transpose(x), x),
      t.concat([x, x], 0),
      t.concat([t.transpose(x), t.zeros([3, 2])], 1),
      t.pad(x, [
        [1, 0],
        [0, 1],
      ]),
      t.gather(t.zeros([4, 2]), ids),
      t.scatterAdd(ids, x, 2),
      t.topkMask(x, 3),
      t.softmax(x),
      t.rmsnorm(x, t.ones([3]), 1e-5),
      t.swiglu(x, x),
      t.crossEntropy(x, ids),
      t.bits(t.key(1), [0, 3]),
      t.cast(x, "bool"),
      ...t.leaves(t.grad((p: t.Tensor) => t.sum(t.softmax(t.mul(p, 2))))(x)),
    ];
    await agrees(f, [t.tensor(new Float32Array(0), [0, 3]), t.tensor(new Int32Array(0))], device, {});
  },
  fast,
);

check(
  "rows of 40 000 logits",
  async (device) => {
    const x = eighths([3, 40_000], 1);
    const target = t.tensor([0, 39_999, 20_000], undefined, "i32");
    const f = (a: t.Tensor, i: t.Tensor) => {
      const [value, back] = t.vjp((p: t.Tensor) => t.crossEntropy(p, i), a);
      return [value, back(t.tensor([1, -1, 0.5]))[0], t.softmax(a)];
    };
    // Sums of 40 000 terms in lanes of a few hundred: √n roundings.
    await agrees(f, [x, target], device, { rel: 100 * EPS });
    const [sums] = await run((a: t.Tensor) => t.sum(t.softmax(a), 1), [x], device);
    assertClose(sums, [1, 1, 1], { rel: 400 * EPS });
  },
  fast,
);
