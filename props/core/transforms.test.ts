/** jvp is the transpose of vjp; vmap is a loop over examples: for every op, and for whatever is made of them. */
import fc from "fast-check";
import * as t from "../../core/index.js";
import { jvpIsAdjoint, vmapIsLoop, withPullback } from "../../testing/op-laws.js";
import { randomGraphs } from "../../testing/random-graphs.js";
import { assertClose, reference, run } from "../close.js";
import { eighths, seeds } from "../generators/generators.js";
import { cases } from "../generators/grad-cases.js";
import { law } from "../law.js";

for (const [name, draw] of Object.entries(cases))
  law(
    `${name}: jvp is vjp's transpose`,
    fc.tuple(draw, seeds()),
    async ([{ f, args }, seed]) => jvpIsAdjoint((...x) => [f(...x)], args, seed),
    { on: ["reference"], effort: 0.15 },
  );

law(
  "random graphs: jvp is vjp's transpose",
  fc.tuple(randomGraphs(8), seeds()),
  async ([{ leaves, build }, seed]) =>
    jvpIsAdjoint(
      (...x) => build(x).map(({ x: y }) => y),
      leaves.map(({ x }) => x),
      seed,
    ),
  { on: ["reference"] },
);

for (const [name, draw] of Object.entries(cases))
  law(
    `${name}: vmap is a loop, and so for its gradient`,
    fc.tuple(draw, seeds()),
    async ([{ f, args }, seed]) => {
      await vmapIsLoop(
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
    vmapIsLoop(
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
