/** The examples of JAX's documentation for grad, vmap, jvp, scan and custom rules, written over: the numbers are those that it prints. */
import * as t from "../../library/index.js";
import { assertClose, run } from "../close.js";
import { check } from "../law.js";
import { reach } from "../reach.js";

type T = t.Tensor;
const at = (x: T, i: number): T => t.reshape(t.sliceAxis(x, 0, i, i + 1), x.shape.slice(1));
const dot = (x: T, y: T): T => t.sum(t.mul(x, y));
const power = (x: T, n: number): T => (n === 1 ? x : t.mul(x, power(x, n - 1)));

/** Automatic differentiation: derivatives of one number, of trees, with auxiliary data, by several arguments. */
const gradients = () => {
  const polynomial = (x: T) => t.add(t.sub(t.add(power(x, 3), t.mul(2, power(x, 2))), t.mul(3, x)), 1);
  const dfdx = t.grad(polynomial);
  const [d2fdx, one] = [t.grad(dfdx), t.scalar(1)];
  const error = (x: T, y: T) => t.sum(t.square(t.sub(x, y)));
  const [x, y] = [t.tensor([1, 2, 3, 4]), t.tensor([1.1, 2.1, 3.1, 4.1])];
  const logistic = (v: T) => t.sum(t.sigmoid(v));
  return [
    [t.grad(t.tanh)(2), [0.070650816]],
    [t.grad(t.grad(t.tanh))(2), [-0.13621868]],
    [t.grad(t.grad(t.grad(t.tanh)))(2), [0.25265405]],
    [dfdx(one), [4]],
    [d2fdx(one), [10]],
    [t.grad(d2fdx)(one), [6]],
    [t.grad(t.grad(d2fdx))(one), [0]],
    [t.grad(logistic)(t.iota([3], 0, "f32")), [0.25, 0.19661194, 0.10499357]],
    [t.valueAndGrad(error)(x, y), [[0.04], [-0.2, -0.2, -0.2, -0.2]]],
    [
      t.grad(error, { argnums: [0, 1] })(x, y),
      [
        [-0.2, -0.2, -0.2, -0.2],
        [0.2, 0.2, 0.2, 0.2],
      ],
    ],
    [
      t.grad((a: T, b: T) => [error(a, b), t.sub(a, b)], { hasAux: true })(x, y),
      [
        [-0.2, -0.2, -0.2, -0.2],
        [-0.1, -0.1, -0.1, -0.1],
      ],
    ],
  ] as const;
};

/** Advanced automatic differentiation: TD(0) with a stopped gradient, straight-through, gradients by example. */
const stopped = () => {
  const value = (theta: T, state: T) => dot(theta, state);
  const loss = (theta: T, before: T, reward: T, after: T) => {
    const target = t.add(reward, value(theta, after));
    return t.mul(-0.5, t.square(t.sub(t.stopGradient(target), value(theta, before))));
  };
  const [theta, before, reward, after] = [
    t.tensor([0.1, -0.1, 0]),
    t.tensor([1, 2, -1]),
    t.scalar(1),
    t.tensor([2, 1, 0]),
  ];
  const batch = [before, reward, after].map((x) => t.stack([x, x])) as [T, T, T];
  const through = (x: T) => t.add(t.sub(x, t.stopGradient(x)), t.stopGradient(t.round(x)));
  return [
    [t.grad(loss)(theta, before, reward, after), [1.2, 2.4, -1.2]],
    [t.vmap(t.grad(loss), { inAxes: [null, 0, 0, 0] })(theta, ...batch), [1.2, 2.4, -1.2, 1.2, 2.4, -1.2]],
    [t.grad((x: T) => t.round(x))(t.scalar(3.2)), [0]],
    [t.grad(through)(t.scalar(3.2)), [1]],
  ] as const;
};

/** Automatic vectorization: a convolution of one vector, then of batches along any axes; trees of axes; results that all share. */
const vectorized = () => {
  const convolve = (x: T, w: T) => t.stack([1, 2, 3].map((i) => dot(t.sliceAxis(x, 0, i - 1, i + 2), w)));
  const [x, w] = [t.iota([5], 0, "f32"), t.tensor([2, 3, 4])];
  const [xs, ws] = [t.stack([x, x]), t.stack([w, w])];
  const vv = (a: T, b: T) => dot(a, b);
  const mv = t.vmap(vv, { inAxes: [0, null] });
  const mm = t.vmap(mv, { inAxes: [null, 1], outAxes: 1 });
  const [A, B] = [
    t.tensor([
      [1, 2],
      [3, 4],
    ]),
    t.tensor([
      [5, 6],
      [7, 8],
    ]),
  ];
  const tree = ([a, [b, c]]: readonly [T, readonly [T, T]]) => t.matmul(a, t.matmul(b, c));
  const three = [t.ones([6, 2, 3]), [t.ones([3, 6, 4]), t.ones([4, 5, 6])]] as const;
  return [
    [convolve(x, w), [11, 20, 29]],
    [t.vmap(convolve)(xs, ws), [11, 20, 29, 11, 20, 29]],
    [t.vmap(convolve, { inAxes: 1, outAxes: 1 })(t.transpose(xs), t.transpose(ws)), [11, 11, 20, 20, 29, 29]],
    [t.vmap(convolve, { inAxes: [0, null] })(xs, w), [11, 20, 29, 11, 20, 29]],
    [mm(A, B), [19, 22, 43, 50]],
    [t.vmap(tree, { inAxes: [[0, [1, 2]]] })(three), Array(60).fill(12)],
    [
      t.vmap((a: T, b: number) => [t.add(a, b), t.scalar(b * 2)] as const, { inAxes: [0, null], outAxes: [0, null] })(
        t.iota([2], 0, "f32"),
        4,
      ),
      [[4, 5], [8]],
    ],
  ] as const;
};

/** jvp, vjp, Jacobians and Hessians, as their reference pages have them. */
const directional = () => {
  const pair = (x: T, y: T) => [t.sin(x), t.cos(y)] as const;
  const [, pullback] = t.vjp(pair, t.scalar(0.5), t.scalar(1));
  const f = (x: T) => {
    const [a, b, c] = [0, 1, 2].map((i) => at(x, i));
    return t.stack([a, t.mul(5, c), t.sub(t.mul(4, t.square(b)), t.mul(2, c)), t.mul(c, t.sin(a))]);
  };
  const jacobian = [1, 0, 0, 0, 0, 5, 0, 16, -2, 1.6209068, 0, 0.841471];
  const g = (x: T) => t.sub(t.sub(power(at(x, 0), 3), t.mul(2, t.mul(at(x, 0), at(x, 1)))), power(at(x, 1), 6));
  const x = t.tensor([1, 2, 3]);
  return [
    [t.jvp(t.sin, [0.1], [0.2]), [[0.09983342], [0.19900084]]],
    [pullback([t.scalar(-0.7), t.scalar(0.3)]), [[-0.61430776], [-0.2524413]]],
    [t.jacfwd(f)(x), jacobian],
    [t.jacrev(f)(x), jacobian],
    [t.hessian(g)(t.tensor([1, 2])), [6, -2, -2, -480]],
    [t.hvp(g, [t.tensor([1, 2])], [t.tensor([1, 1])]), [4, -482]],
  ] as const;
};

/** Custom derivative rules: a gradient that is kept, one that is clipped, and one that does not overflow. */
const custom = () => {
  const f = t.customVjp(
    (x: T, y: T) => t.mul(t.sin(x), y),
    (x, y) => [t.mul(t.sin(x), y), [t.cos(x), t.sin(x), y] as const],
    ([cosX, sinX, y], ct) => [t.mul(t.mul(cosX, ct), y), t.mul(sinX, ct)],
  );
  const clip = (low: number, high: number) =>
    t.customVjp(
      (x: T) => x,
      (x) => [x, []],
      (_, ct) => [t.minimum(t.maximum(ct, low), high)],
    );
  const clipped = (x: T) => t.sin(clip(-0.75, 0.75)(x));
  const log1pexp = t.customVjp(
    (x: T) => t.log(t.add(1, t.exp(x))),
    (x) => [t.log(t.add(1, t.exp(x))), x],
    (x, ct) => [t.mul(ct, t.sub(1, t.div(1, t.add(1, t.exp(x)))))],
  );
  return [
    [t.grad(f)(t.scalar(2), t.scalar(3)), [-1.2484405]],
    [t.grad(clipped)(t.scalar(0)), [0.75]],
    [t.vmap(t.grad(clipped))(t.tensor([0, 3])), [0.75, -0.75]],
    [t.grad(log1pexp)(t.scalar(100)), [1]],
    [t.vmap(t.grad(log1pexp))(t.iota([3], 0, "f32")), [0.5, 0.7310586, 0.880797]],
    [t.grad(t.grad(log1pexp))(t.scalar(0)), [0.25]],
  ] as const;
};

/** Control flow: sums, reversed, with and without rows, trees of them, and the gradient of all steps. */
const scanned = () => {
  const xs = t.tensor([1, 2, 3, 4]);
  const sums = (carry: T, x: T) => [t.add(carry, x), t.add(carry, x)] as const;
  const [total, partial] = t.scan(sums, t.scalar(0), xs);
  const [, back] = t.scan(sums, t.scalar(0), xs, { reverse: true });
  const fibonacci = ([a, b]: readonly [T, T]) => [[b, t.add(a, b)], b] as const;
  const [, numbers] = t.scan(fibonacci, [t.scalar(0, "i32"), t.scalar(1, "i32")] as const, undefined, { length: 8 });
  const tree = t.scan((c: T, { x, y }: { x: T; y: T }) => [t.add(c, t.mul(x, y)), undefined], t.scalar(0), {
    x: xs,
    y: xs,
  });
  const product = (x: T) => t.scan((c: T, y: T) => [t.mul(c, y), undefined], t.scalar(1), x)[0];
  return [
    [
      [total, partial],
      [[10], [1, 3, 6, 10]],
    ],
    [back, [10, 9, 7, 4]],
    [numbers, [1, 1, 2, 3, 5, 8, 13, 21]],
    [tree[0], [30]],
    [t.grad(product)(xs), [24, 12, 8, 6]],
    [t.vmap(product)(t.stack([xs, t.mul(xs, 2)])), [24, 384]],
    [t.jvp(product, [xs], [t.ones([4])]), [[24], [50]]],
  ] as const;
};

// Where each shader is compiled by software, what makes many of them waits for TAUGRAD_REACH.
const everywhere = ["reference", "cpu", "webgpu"] as const;
const few = reach > 1 ? everywhere : (["reference", "cpu"] as const);
for (const [name, examples] of Object.entries({ gradients, stopped, vectorized, directional, custom, scanned }))
  check(
    `JAX's examples, ${name}: its numbers`,
    async (device) => {
      const all = () => examples() as readonly (readonly [t.Tree, readonly unknown[]])[];
      const got = await run(() => all().map(([tree]) => tree), [], device);
      const want = all().flatMap(([tree, numbers]) =>
        t.leaves(tree).length === 1 && !Array.isArray(numbers[0]) ? [numbers] : numbers,
      );
      (want as readonly (readonly number[])[]).forEach((numbers, i) => {
        assertClose(got[i], numbers, { rel: 3e-6, abs: 1e-6 }, `${name} ${i}`);
      });
    },
    examples === stopped || examples === scanned ? everywhere : few,
  );
