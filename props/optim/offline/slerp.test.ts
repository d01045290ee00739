/** SLERP: along the circle through two tensors. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Device, InputError, tensor } from "../../../core/index.js";
import { mergeTensors, slerp } from "../../../optim/index.js";
import { assertClose, assertSame, run } from "../../close.js";
import { check, law } from "../../law.js";
import { eighths, merge, vector, vectors } from "./merge-values.js";

const some = { effort: 0.3 };
const along = async (a: readonly number[], b: readonly number[], t: number, device: Device) =>
  Array.from((await run(() => slerp(vector(a), vector(b), t, 1e-4), [], device))[0]);
const length = (x: readonly number[]) => Math.hypot(...x);

law(
  "slerp is a at 0 and b at 1; halfway between vectors of one length it has that length, and stands in the middle",
  fc.tuple(vectors, vectors),
  async ([a, b], device) => {
    assertClose(await along(a, b, 0, device), a, { abs: 1e-5 });
    assertClose(await along(a, b, 1, device), b, { abs: 1e-5 });
    const cosine = a.reduce((sum, x, i) => sum + x * b[i], 0) / (length(a) * length(b));
    if (!(Math.abs(cosine) < 0.99)) return; // parallel, or no vector at all
    const same = b.map((x) => (x * length(a)) / length(b));
    const middle = await along(a, same, 0.5, device);
    assertClose([length(middle)], [length(a)], { abs: 2e-5 });
    const scale = length(a) / length(a.map((x, i) => x + same[i]));
    assertClose(
      middle,
      a.map((x, i) => scale * (x + same[i])),
      { abs: 2e-5 },
    );
  },
  some,
);

law(
  "slerp of parallel and of opposite vectors is the straight mean; what is 0 stands at a right angle",
  fc.tuple(vectors, eighths(1, 16), eighths(0, 8)),
  async ([a, scale, t], device) => {
    assertClose(
      await along(
        a,
        a.map(() => 0),
        t,
        device,
      ),
      a.map((x) => Math.sin(((1 - t) * Math.PI) / 2) * (a.some(Boolean) ? x : 0)),
      { abs: 2e-5 },
    );
    for (const factor of [scale, -scale]) {
      const b = a.map((x) => factor * x);
      const straight = a.map((x, i) => (1 - t) * x + t * b[i]);
      assertClose(await along(a, b, t, device), straight, { abs: 2e-5 });
    }
  },
  some,
);

law(
  "nuslerp with a base is slerp of the differences, and by its weights alone; without, of the models",
  fc.tuple(vectors, vectors, vectors, eighths(1, 8), eighths(1, 8)),
  async ([a, b, base, v, w], device) => {
    const parts = (scale: number) => [
      { theta: a, weight: scale * v },
      { theta: b, weight: scale * w },
    ];
    const [minus, t] = [(x: readonly number[]) => x.map((y, i) => y - base[i]), w / (v + w)];
    const between = await along(minus(a), minus(b), t, device);
    const onBase = await merge(parts(1), base, { method: "nuslerp" }, device);
    // Nearly opposite differences have no circle, and rounding decides which way round they go.
    const cosine = minus(a).reduce((sum, x, i) => sum + x * minus(b)[i], 0) / (length(minus(a)) * length(minus(b)));
    if (!(Math.abs(cosine) < 0.999)) return;
    assertClose(
      onBase,
      between.map((x, i) => base[i] + x),
      { abs: 2e-5 },
    );
    assertSame(await merge(parts(2), base, { method: "nuslerp" }, device), onBase);
  },
  some,
);

const [A, B, ORIGIN] = [
  [1, -2, 0.5, 3],
  [0.25, 1, -1.5, 2],
  [0.5, 0.25, -0.5, 1],
];

check("slerp and nuslerp by their formula in float64", async (device) => {
  const formula = (a: readonly number[], b: readonly number[], t: number) => {
    const angle = Math.acos(a.reduce((sum, x, i) => sum + x * b[i], 0) / (length(a) * length(b)));
    return a.map((x, i) => (Math.sin((1 - t) * angle) * x + Math.sin(t * angle) * b[i]) / Math.sin(angle));
  };
  const parts = [
    { theta: A, weight: 0.7 },
    { theta: B, weight: 0.3 },
  ];
  assertClose(await merge(parts, undefined, { method: "slerp" }, device), formula(A, B, 0.3), { abs: 1e-5 });
  const minus = (x: readonly number[]) => x.map((y, i) => y - ORIGIN[i]);
  const onBase = formula(minus(A), minus(B), 0.3).map((x, i) => ORIGIN[i] + x);
  assertClose(await merge(parts, ORIGIN, { method: "nuslerp" }, device), onBase, { abs: 1e-5 });
  // |cos Ω| above 0.9995 is straight for slerp alone.
  const near = A.map((x, i) => x + 0.01 * B[i]);
  const close = [
    { theta: A, weight: 1 },
    { theta: near, weight: 1 },
  ];
  const straight = A.map((x, i) => (x + near[i]) / 2);
  assertClose(await merge(close, undefined, { method: "slerp" }, device), straight, { abs: 1e-6 });
});

check("a circle takes two models", async () => {
  const one = { tensor: tensor([1, 2]), weight: 1 };
  for (const sources of [[one], [one, one, one]])
    assert.throws(() => mergeTensors(sources, undefined, { method: "nuslerp" }), InputError);
}, ["reference"]);
