/** jvp is the transpose of vjp; vmap is a loop over examples: for every op, and for whatever is made of them. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import { assertClose, reference, run } from "../close.js";
import { eighths, hash, seeds } from "../generators/generators.js";
import { cases } from "../generators/grad-cases.js";
import { randomGraphs } from "../generators/random-graphs.js";
import { law } from "../law.js";

const dot = (a: readonly t.Tensor[], b: readonly t.Tensor[]): t.Tensor =>
  a.map((x, i) => t.sum(t.mul(t.cast(x, "f32"), b[i]))).reduce((sum, x) => t.add(sum, x), t.scalar(0));

const floats = (some: readonly t.Tensor[]) => some.filter(({ dtype }) => t.isFloating(dtype));

/** ⟨w, jvp(v)⟩ = ⟨vjp(w), v⟩. */
const isAdjoint = async (f: (...x: t.Tensor[]) => t.Tensor[], args: readonly t.Tensor[], seed: number) => {
  const tangents = args.map((x, i) => eighths(x.shape, seed + i, 1));
  const sides = (...x: t.Tensor[]) => {
    const [value, change] = t.jvp(f, x, tangents);
    const weights = floats(value).map((y, i) => eighths(y.shape, seed + 90 + i, 1));
    const [, back] = t.vjp(f, ...x);
    const given = [...weights];
    const pulled = back(value.map((y) => (t.isFloating(y.dtype) ? (given.shift() as t.Tensor) : t.zerosLike(y))));
    const [dx, v] = [pulled, tangents].map((some) => some.filter((_, i) => t.isFloating(x[i].dtype)));
    const size = dot(
      dx.map((x) => t.abs(x)),
      v.map((x) => t.abs(x)),
    );
    return [dot(floats(change), weights), dot(dx, v), size];
  };
  const [got, want, size] = await run(sides, [...args], reference);
  assertClose(got, want, { abs: 1e-10 * (1 + size[0]) }, "⟨w, jvp(v)⟩");
};

for (const [name, draw] of Object.entries(cases))
  law(
    `${name}: jvp is vjp's transpose`,
    fc.tuple(draw, seeds()),
    async ([{ f, args }, seed]) => isAdjoint((...x) => [f(...x)], args, seed),
    { on: ["reference"], effort: 0.15 },
  );

law(
  "random graphs: jvp is vjp's transpose",
  fc.tuple(randomGraphs(8), seeds()),
  async ([{ leaves, build }, seed]) =>
    isAdjoint(
      (...x) => build(x).map(({ x: y }) => y),
      leaves.map(({ x }) => x),
      seed,
    ),
  { on: ["reference"] },
);

/** Example i of a tensor: other numbers of its kind. */
const variant = (x: t.Tensor, i: number): t.Tensor =>
  t.isFloating(x.dtype)
    ? t.cast(t.mul(x, 1 + i / 8), x.dtype)
    : x.dtype === "bool"
      ? i % 2 === 0
        ? x
        : t.not(x)
      : t.add(x, i);

/** vmap(f) over some of the arguments, along any axes, is f of one example after the other. */
const isLoop = async (f: (...x: t.Tensor[]) => t.Tensor[], args: readonly t.Tensor[], seed: number) => {
  const size = 1 + (seed % 3);
  const inAxes = args.map((x, i) => (i > 0 && hash(seed, i) % 3 === 0 ? null : hash(seed, i) % (x.shape.length + 1)));
  const examples = Array.from({ length: size }, (_, b) => args.map((x, i) => (inAxes[i] === null ? x : variant(x, b))));
  const one = f(...args);
  const outAxes = one.map((y, i) => (hash(seed, 50 + i) % (y.shape.length + 1)) - (seed % 2) * (y.shape.length + 1));
  const stacked = args.map((x, i) =>
    inAxes[i] === null
      ? x
      : t.stack(
          examples.map((some) => some[i]),
          inAxes[i] as number,
        ),
  );
  const got = await run(
    (...x: t.Tensor[]) => t.vmap(f, { inAxes, outAxes })(...x),
    stacked.map((x) => t.evaluate(x, reference)),
    reference,
  );
  const want = await run(
    () => {
      const made = examples.map((some) => f(...some));
      return one.map((_, i) =>
        t.stack(
          made.map((some) => some[i]),
          outAxes[i],
        ),
      );
    },
    [],
    reference,
  );
  want.forEach((numbers, i) => {
    assertClose(got[i], numbers, { rel: 1e-12, abs: 1e-12 }, `result ${i}`);
  });
};

/** Values, and cotangents of the floats. */
const withPullback =
  (f: (...x: t.Tensor[]) => t.Tensor[], seed: number) =>
  (...x: t.Tensor[]): t.Tensor[] => {
    const [value, back] = t.vjp(f, ...x);
    return [
      ...value,
      ...back(value.map((y, i) => (t.isFloating(y.dtype) ? eighths(y.shape, seed + i, 1) : t.zerosLike(y)))),
    ];
  };

for (const [name, draw] of Object.entries(cases))
  law(
    `${name}: vmap is a loop, and so for its gradient`,
    fc.tuple(draw, seeds()),
    async ([{ f, args }, seed]) => {
      await isLoop(
        withPullback((...x) => [f(...x)], seed),
        args,
        seed,
      );
    },
    { on: ["reference"], effort: 0.15 },
  );

law(
  "random graphs: vmap is a loop, and so for their gradients",
  fc.tuple(randomGraphs(8), seeds()),
  async ([{ leaves, build }, seed]) =>
    isLoop(
      withPullback((...x) => build(x).map(({ x: y }) => y), seed),
      leaves.map(({ x }) => x),
      seed,
    ),
  { on: ["reference"] },
);

const TOO = { effort: 0.2, on: ["reference"] } as const;

/** y = (a·sin b, a + 2b), and three times its gradient. */
const thrice = t.customVjp(
  (a: t.Tensor, p: { b: t.Tensor }) => ({ y: t.mul(a, t.sin(p.b)), z: [t.add(a, t.mul(2, p.b))] as const }),
  (a, p) => [{ y: t.mul(a, t.sin(p.b)), z: [t.add(a, t.mul(2, p.b))] as const }, [a, p.b] as const],
  ([a, b], { y, z: [z] }) => [
    t.mul(3, t.add(t.mul(y, t.sin(b)), z)),
    { b: t.mul(3, t.add(t.mul(y, t.mul(a, t.cos(b))), t.mul(2, z))) },
  ],
);
const once = (a: t.Tensor, p: { b: t.Tensor }) => ({ y: t.mul(a, t.sin(p.b)), z: [t.add(a, t.mul(2, p.b))] as const });

law(
  "customVjp: its rule is the gradient, for one and for a batch, in a scan, and is differentiated in turn",
  seeds(),
  async (seed) => {
    const [x, w] = [eighths([3], seed, 1), eighths([4, 3], seed + 1, 1)];
    const value = (f: typeof once) => (a: t.Tensor, b: t.Tensor) => {
      const { y, z } = f(a, { b });
      return t.sum(t.add(y, t.square(z[0])));
    };
    // Under the rule the gradient is three times what it is; the gradient of that is differentiated as it is written.
    const slopes = (f: typeof once, k: number) => {
      const one = t.grad(value(f), { argnums: [0, 1] });
      const many = t.vmap(one, { inAxes: [null, 0] });
      const total = (a: t.Tensor) => t.sum(t.vmap(value(f), { inAxes: [null, 0] })(a, w));
      const walked = (a: t.Tensor) =>
        t.scan((c: t.Tensor, row: t.Tensor) => [t.add(c, value(f)(a, row)), undefined], t.scalar(0), w)[0];
      return [many(x, w), t.grad(total)(x), t.grad(walked)(x)].map((tree) => t.treeMap((g) => t.mul(g, k), tree));
    };
    const [got, want] = [
      await run(() => slopes(thrice, 1), [], reference),
      await run(() => slopes(once, 3), [], reference),
    ];
    want.forEach((numbers, i) => {
      assertClose(got[i], numbers, { rel: 1e-12, abs: 1e-12 }, `gradient ${i}`);
    });
    const second = (b: t.Tensor) => t.grad((a: t.Tensor) => t.sum(t.grad(value(thrice))(a, b)))(x);
    // The first gradient is 3(sin b + 2z), z = a + 2b, whose own cotangent of a is 3·2 by way of z's rule again.
    const [twice] = await run((b: t.Tensor) => second(b), [t.ones([3])], reference);
    assertClose(twice, [18, 18, 18], { abs: 1e-12 });
  },
  TOO,
);
