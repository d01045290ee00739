/** jacfwd, jacrev, hessian and hvp agree, with one another and with differences; transforms in any order, on every device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { agrees, assertClose, reference, run } from "../close.js";
import { eighths, integers, seeds } from "../generators/generators.js";
import { check, law } from "../law.js";
import { reach } from "../reach.js";

interface Params {
  readonly w: t.Tensor;
  readonly h: { readonly b: t.Tensor };
}

/** A recurrence, a matrix product and a softmax: two results, of a tree and of a tensor. */
const model = ({ w, h }: Params, x: t.Tensor) => {
  const step = (c: t.Tensor, row: t.Tensor) => {
    const next = t.tanh(t.add(t.reshape(t.matmul(t.reshape(c, [1, 2]), w), [2]), row));
    return [next, t.sum(t.square(next), -1, true)] as const;
  };
  const [last, ys] = t.scan(step, h.b, x, { every: 2 });
  return { last, ys: [t.softmax(t.mul(ys, x))] as const };
};

const draw = fc.tuple(seeds(), fc.integer({ min: 1, max: 2 })).map(([seed, n]) => ({
  params: { w: eighths([2, 2], seed, 1), h: { b: eighths([2], seed + 1, 1) } },
  x: eighths([n, 2], seed + 2, 1),
}));
const ON = { on: ["reference"], effort: 0.1 } as const;

law(
  "jacfwd is jacrev, with the same tree, and a difference's limit",
  draw,
  async ({ params, x }) => {
    const square = (p: Params, y: t.Tensor) => {
      const { last, ys } = model(p, t.sliceAxis(y, 0, 0, 1));
      return { last, ys: [t.reshape(ys[0], [-1])] as const };
    };
    const options = { argnums: [0, 1] } as const;
    const both = () => [t.jacfwd(square, options)(params, x), t.jacrev(square, options)(params, x)] as const;
    const [forward, reverse] = both();
    assert.equal(t.treeKey(forward), t.treeKey(reverse));
    assert.deepEqual(forward.last[0].w.shape, [2, 2, 2]);
    assert.deepEqual(forward.ys[0][1].shape, [2, ...x.shape]);
    const got = await run(() => forward, [], reference);
    (await run(() => reverse, [], reference)).forEach((numbers, i) => {
      assertClose(got[i], numbers, { abs: 1e-12 }, `leaf ${i}`);
    });
    // Along one weight.
    const h = 1e-4;
    const at = (by: number) =>
      square(
        {
          ...params,
          w: t.add(
            params.w,
            t.tensor([
              [0, by],
              [0, 0],
            ]),
          ),
        },
        x,
      ).last;
    const slope = () => [
      t.div(t.sub(at(h), at(-h)), 2 * h),
      t.sliceAxis(t.reshape(forward.last[0].w, [2, 4]), 1, 1, 2),
    ];
    const [difference, want] = await run(slope, [], reference);
    assertClose(difference, want, { abs: 1e-6 });
  },
  ON,
);

law(
  "hessian is jacrev of jacfwd, symmetric, and hvp is its product with a vector",
  draw,
  async ({ params, x }) => {
    const loss = (p: Params) => {
      const { last, ys } = model(p, x);
      return t.add(t.sum(t.sin(last)), t.sum(t.square(ys[0])));
    };
    const v = { w: eighths([2, 2], 7, 1), h: { b: eighths([2], 8, 1) } };
    const h = t.hessian(loss)(params);
    const other = t.jacrev(t.jacfwd(loss))(params);
    const product = t.hvp(loss, [params], [v]);
    const times = (rows: Params, n: number) =>
      t.add(
        t.matmul(t.reshape(rows.w, [n, 4]), t.reshape(v.w, [4, 1])),
        t.matmul(t.reshape(rows.h.b, [n, 2]), t.reshape(v.h.b, [2, 1])),
      );
    const cross = [t.reshape(h.w.h.b, [4, 2]), t.transpose(t.reshape(h.h.b.w, [2, 4]))];
    const want = [times(h.w, 4), times(h.h.b, 2)];
    const pairs: [t.Tree, t.Tree][] = [
      [h, other],
      [product, { w: want[0], h: { b: want[1] } }],
      [cross[0], cross[1]],
    ];
    for (const [one, two] of pairs) {
      const got = await run(() => one, [], reference);
      (await run(() => two, [], reference)).forEach((numbers, i) => {
        assertClose(got[i], numbers, { abs: 1e-11 }, `leaf ${i}`);
      });
    }
  },
  ON,
);

law(
  "a scan in a scan, over examples, along a direction: as of its steps",
  fc.tuple(seeds(), fc.integer({ min: 1, max: 3 }), fc.boolean()),
  async ([seed, size, reverse]) => {
    const [x, c, w] = [eighths([size, 3, 2], seed, 1), eighths([size, 2], seed + 1, 1), eighths([2], seed + 2, 1)];
    const add = (walk: boolean) => (w_: t.Tensor, init: t.Tensor, rows: t.Tensor) => {
      const inner = (carry: t.Tensor, y: t.Tensor) => [t.sin(t.add(t.mul(carry, w_), y)), t.mul(carry, y)] as const;
      const outer = (carry: t.Tensor, row: t.Tensor): readonly [t.Tensor, t.Tensor] => {
        if (walk) {
          const [end, ys] = t.scan((s: t.Tensor, y: t.Tensor) => inner(s, y), t.sum(carry), row);
          return [t.mul(carry, end), ys];
        }
        let s = t.sum(carry);
        const ys: t.Tensor[] = [];
        for (let i = 0; i < 2; i++) {
          const [next, y] = [s, t.reshape(t.sliceAxis(row, 0, i, i + 1), [])];
          ys.push(inner(next, y)[1]);
          s = inner(next, y)[0];
        }
        return [t.mul(carry, s), t.stack(ys)];
      };
      if (walk) return t.scan(outer, init, rows, { reverse });
      let carry = init;
      const ys: t.Tensor[] = [];
      const order = [0, 1, 2];
      for (const i of reverse ? order.reverse() : order) {
        const [next, y] = outer(carry, t.reshape(t.sliceAxis(rows, 0, i, i + 1), [2]));
        carry = next;
        ys[i] = y;
      }
      return [carry, t.stack(ys)] as [t.Tensor, t.Tensor];
    };
    // inner carries [2] by w: its sum is a scalar state, so w enters by its sum.
    const total = t.sum(w);
    const of = (walk: boolean) => {
      const f = add(walk);
      const many = t.vmap(f, { inAxes: [null, 0, 0], outAxes: [0, 1] });
      const loss = (w_: t.Tensor, init: t.Tensor) => {
        const [a, b] = many(w_, init, x);
        return t.add(t.sum(a), t.sum(t.square(b)));
      };
      return [many(total, c, x), t.grad(loss, { argnums: [0, 1] })(total, c), t.jvp(loss, [total, c], [total, c])];
    };
    const got = await run(() => of(true), [], reference);
    (await run(() => of(false), [], reference)).forEach((numbers, i) => {
      assertClose(got[i], numbers, { rel: 1e-12, abs: 1e-12 }, `leaf ${i}`);
    });
  },
  ON,
);

/** What devices have kernels for, over examples, nested, and its gradient by example. */
const everyKernel = (withGradient: boolean, x: t.Tensor, w: t.Tensor, table: t.Tensor) => {
  const one = (row: t.Tensor, id: t.Tensor): t.Tensor => {
    const q = t.reshape(t.rmsnorm(t.reshape(row, [2, 4]), w, 1e-5), [1, 2, 1, 4]);
    const seen = t.attention(q, q, t.swiglu(q, q), t.iota([1, 2], 1), 0.5);
    const logits = t.matmul(t.reshape(seen, [2, 4]), t.transpose(table));
    const nll = t.sum(t.crossEntropy(logits, t.iota([2])));
    const score = t.sum(t.mul(t.gather(table, id), t.softmax(t.reshape(row, [2, 4]))));
    return t.add(t.add(nll, score), t.sum(t.cast(t.topkMask(row, 2), "f32")));
  };
  const pair = t.vmap(t.vmap(one), { inAxes: [1, null] });
  const ids = integers([2], 3, 0, 4);
  const slopes = () => t.vmap(t.grad(one))(t.reshape(t.sliceAxis(x, 1, 0, 1), [2, 8]), ids);
  return withGradient ? [pair(x, ids), slopes()] : [pair(x, ids)];
};
check("vmap: kernels take examples as they take rows", async (device) => {
  const given = [eighths([2, 3, 8], 1, 1), eighths([4], 2, 1), eighths([5, 4], 3, 1)];
  await agrees(
    ((...x: t.Tensor[]) => everyKernel(device.name !== "webgpu" || reach > 1, x[0], x[1], x[2])) as (
      ...x: t.Tensor[]
    ) => t.Tree,
    given,
    device,
    {
      rel: 1e-5,
      abs: 1e-5,
    },
  );
});

test("vmap: fused ops stay fused, and so do their gradients", () => {
  const f = (x: t.Tensor, position: t.Tensor) => t.sum(t.attention(x, x, x, position, 1));
  const [x, position] = [t.ones([3, 1, 2, 1, 4]), t.iota([3, 1, 2], 2)];
  const names = t.reachable([t.vmap(t.grad(f))(x, position)]).map(({ op }) => op.name);
  assert.deepEqual(
    names.filter((name) => name.startsWith("attention")),
    ["attention.vjp"],
  );
  assert.ok(!names.includes("exp"));
});
