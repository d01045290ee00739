/** Laws of views on each device: shapes drawn with broadcast, size-1 and empty axes. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import { assertSame, run } from "../close.js";
import { equal } from "../equal.js";
import {
  axisOrder,
  booleans,
  broadcastable,
  eighths,
  hash,
  integers,
  reshaped,
  seeds,
  shapes,
  someAxes,
} from "../generators/generators.js";
import { law } from "../law.js";

const tensors = (options = {}) => fc.tuple(shapes(options), seeds());

/** A shape, and the data of each dtype in turn. */
const anyTensor = (shape: t.Shape, seed: number): t.Tensor =>
  [eighths(shape, seed), integers(shape, seed, -5, 5), integers(shape, seed, 0, 9, "u32"), booleans(shape, seed)][
    seed % 4
  ];

law("reshape ∘ reshape = reshape; back again is the identity", tensors(), async ([shape, seed], device) => {
  const [once, twice] = [reshaped(shape, seed), reshaped(reshaped(shape, seed), seed + 1)];
  const x = anyTensor(shape, seed);
  await equal(
    (a) => t.reshape(t.reshape(a, once), twice),
    (a) => t.reshape(a, twice),
    [x],
    device,
  );
  await equal(
    (a) => t.reshape(t.reshape(t.reshape(a, once), [-1]), shape),
    (a) => a,
    [x],
    device,
  );
});

law(
  "permute ∘ permute = permute of the composition; the inverse undoes it",
  tensors(),
  async ([shape, seed], device) => {
    const [p, q] = [axisOrder(shape.length, seed), axisOrder(shape.length, seed + 1)];
    const inverse = p.map((_, i) => p.indexOf(i));
    const x = anyTensor(shape, seed);
    await equal(
      (a) => t.permute(t.permute(a, p), q),
      (a) =>
        t.permute(
          a,
          q.map((axis) => p[axis]),
        ),
      [x],
      device,
    );
    await equal(
      (a) => t.permute(t.permute(a, p), inverse),
      (a) => a,
      [x],
      device,
    );
  },
);

law("reshape after permute copies in row-major order", tensors({ minRank: 2 }), async ([shape, seed], device) => {
  const x = anyTensor(shape, seed);
  const order = axisOrder(shape.length, seed);
  const [got] = await run((a: t.Tensor) => t.reshape(t.permute(a, order), [-1]), [x], device);
  const data = t.constantData(x).data;
  const strides = t.stridesOf(shape);
  const want = order.reduce<number[]>(
    (at, axis) => at.flatMap((o) => Array.from({ length: shape[axis] }, (_, i) => o + i * strides[axis])),
    [0],
  );
  assertSame(
    got,
    want.map((at) => data[at]),
  );
});

law(
  "slice ∘ pad is the identity, pad ∘ slice keeps the inside and zeroes the rest",
  tensors(),
  async ([shape, seed], device) => {
    const x = anyTensor(shape, seed);
    const widths = shape.map((_, i) => [hash(seed, i) % 3, hash(seed, i + 9) % 3] as const);
    const low = widths.map(([before]) => before);
    await equal(
      (a) =>
        t.slice(
          t.pad(a, widths),
          low,
          shape.map((n, i) => n + low[i]),
        ),
      (a) => a,
      [x],
      device,
    );
    const y = eighths(shape, seed);
    const cut = shape.map((n, i) => hash(seed, i) % (n + 1));
    const inside = (a: t.Tensor) =>
      shape.reduce(
        (mask, _, axis) => t.and(mask, t.lessEqual(cut[axis], t.iota(a.shape, axis))),
        t.full(a.shape, 1, "bool"),
      );
    await equal(
      (a) =>
        t.pad(
          t.slice(a, cut, shape),
          cut.map((n) => [n, 0] as const),
        ),
      (a) => t.where(inside(a), a, 0),
      [y],
      device,
    );
  },
);

law(
  "concat of the slices is the whole; slices of the concat are the parts",
  tensors({ minRank: 1 }),
  async ([shape, seed], device) => {
    const axis = seed % shape.length;
    const at = hash(seed, 1) % (shape[axis] + 1);
    const x = anyTensor(shape, seed);
    const parts = (a: t.Tensor) => [t.sliceAxis(a, axis, 0, at), t.sliceAxis(a, axis, at, shape[axis])];
    await equal(
      (a) => t.concat(parts(a), axis),
      (a) => a,
      [x],
      device,
    );
    await equal(
      (a) => t.sliceAxis(t.concat([a, a, a], axis), axis, shape[axis], 2 * shape[axis]),
      (a) => a,
      [x],
      device,
    );
    await equal(
      (a) => t.stack([a, a], axis),
      (a) =>
        t.broadcastTo(t.reshape(a, [...shape.slice(0, axis), 1, ...shape.slice(axis)]), [
          ...shape.slice(0, axis),
          2,
          ...shape.slice(axis),
        ]),
      [x],
      device,
    );
  },
);

law(
  "stack along any axis, counted from either end: part i of the new axis is tensor i",
  tensors(),
  async ([shape, seed], device) => {
    const rank = shape.length + 1;
    const axis = hash(seed, 2) % rank;
    const [x, y] = [anyTensor(shape, seed), anyTensor(shape, seed + 4)]; // of one dtype
    for (const at of [axis, axis - rank])
      await equal(
        (a, b) => t.reshape(t.sliceAxis(t.stack([a, b], at), at, seed % 2, (seed % 2) + 1), shape),
        (a, b) => [a, b][seed % 2],
        [x, y],
        device,
      );
  },
);

law(
  "broadcast then sum = multiplication by the count; broadcast then max = the identity",
  tensors(),
  async ([shape, seed], device) => {
    const x = eighths(shape, seed);
    const n = 1 + (seed % 5);
    await equal(
      (a) => t.sum(t.broadcastTo(a, [n, ...shape]), 0),
      (a) => t.mul(a, n),
      [x],
      device,
    );
    await equal(
      (a) => t.max(t.broadcastTo(a, [n, ...shape]), 0),
      (a) => a,
      [x],
      device,
    );
  },
);

law(
  "sums in any grouping of axes are the whole sum; a permuted tensor has the same sums",
  tensors(),
  async ([shape, seed], device) => {
    const x = eighths(shape, seed);
    const axes = someAxes(shape.length, seed);
    const order = axisOrder(shape.length, seed);
    await equal(
      (a) => t.sum(t.sum(a, axes)),
      (a) => t.sum(a),
      [x],
      device,
    );
    await equal(
      (a) =>
        t.sum(
          t.permute(a, order),
          axes.map((axis) => order.indexOf(axis)),
          true,
        ),
      (a) => t.permute(t.sum(a, axes, true), order),
      [x],
      device,
    );
  },
);

law(
  "broadcasting operands is broadcasting the result, whatever the dtype",
  fc.tuple(broadcastable(), seeds()),
  async ([[a, b], seed], device) => {
    const shape = t.broadcastShapes(a, b) ?? [];
    const ops: readonly ((x: t.Tensor, y: t.Tensor) => t.Tensor)[] = [
      t.add,
      t.sub,
      t.mul,
      t.maximum,
      t.minimum,
      t.less,
      t.lessEqual,
      t.equal,
    ];
    const op = ops[seed % ops.length];
    for (const make of [
      eighths,
      (s: t.Shape, i: number) => integers(s, i, -3, 3),
      (s: t.Shape, i: number) => integers(s, i, 0, 5, "u32"),
    ])
      await equal(
        op,
        (x, y) => op(t.broadcastTo(x, shape), t.broadcastTo(y, shape)),
        [make(a, seed), make(b, seed + 1)],
        device,
      );
  },
);
