/** A scan is its steps one after the other: values, gradients, memory and plans. */
import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import * as t from "../../core/index.js";
import { assertClose, run, reference } from "../close.js";
import { check } from "../law.js";

check("cumsum", async (device) => {
  const xs = t.tensor([1, 2, 3, 4]);
  const f = (x: t.Tensor) => t.scan((c: t.Tensor, y: t.Tensor) => [t.add(c, y), t.mul(c, y)], t.scalar(0), x);
  const [c, ys] = await run(f, [xs], device);
  assertClose(c, [10], {});
  assertClose(ys, [0, 2, 9, 24], {});
  const g = (x: t.Tensor) => { const w = t.mul(x, 1); return t.grad((z: t.Tensor) => { const [c, y] = f(z); return t.add(c, t.sum(t.square(y))); })(w); };
  const u = (x: t.Tensor) => t.grad((z: t.Tensor) => {
    let c = t.scalar(0); const ys = [];
    for (let i = 0; i < 4; i++) { const y = t.reshape(t.slice(z, [i], [i + 1]), []); ys.push(t.mul(c, y)); c = t.add(c, y); }
    return t.add(c, t.sum(t.square(t.stack(ys))));
  })(x);
  const [got] = await run(g, [xs], device);
  const [want] = await run(u, [xs], reference);
  assertClose(got, want, { rel: 1e-6 });
});

check("long", async (device) => {
  const f = t.compile((x: t.Tensor) => t.scan((c: t.Tensor, y: t.Tensor) => [t.add(t.mul(c, 0.5), y), c], t.scalar(0), x), device);
  const xs = t.iota([10000], 0, "f32");
  const given = t.evaluate(xs, device);
  const a = performance.now();
  const out = f(given);
  const [c] = await Promise.all([t.read(out[0])]);
  console.log(device.name, performance.now() - a, c);
  const b = performance.now();
  const out2 = f(given);
  await t.read(out2[1]);
  console.log(device.name, "again", performance.now() - b, device.stats());
  t.dispose(out, out2, given);
});
