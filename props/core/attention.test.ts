/** What attention's queries see: windows, segments of packed rows, nothing; and capped scores. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as t from "../../core/index.js";
import { assertClose, assertSame, run, withGradient } from "../close.js";
import { eighths, integers, seeds } from "../generators/generators.js";
import { law } from "../law.js";

/** Attention by its definition, a number at a time. */
const naive = (
  shape: { B: number; T: number; S: number; G: number; share: number; D: number },
  [q, k, v, position, from]: readonly ArrayLike<number>[],
  scale: number,
  softCap = Number.POSITIVE_INFINITY,
): Float64Array => {
  const { B, T, S, G, share, D } = shape;
  const H = G * share;
  const out = new Float64Array(B * T * H * D);
  for (let b = 0; b < B; b++)
    for (let i = 0; i < T; i++)
      for (let h = 0; h < H; h++) {
        const [at, row] = [((b * T + i) * H + h) * D, b * T + i];
        const key = (s: number) => ((b * S + s) * G + Math.floor(h / share)) * D;
        const seen = Array.from({ length: S }, (_, s) => s).filter(
          (s) => s <= position[row] && s >= (from?.[row] ?? 0),
        );
        const scores = seen.map((s) => {
          let dot = 0;
          for (let d = 0; d < D; d++) dot += q[at + d] * k[key(s) + d];
          return softCap === Number.POSITIVE_INFINITY ? scale * dot : softCap * Math.tanh((scale * dot) / softCap);
        });
        const most = Math.max(...scores);
        const total = scores.reduce((sum, x) => sum + Math.exp(x - most), 0);
        seen.forEach((s, n) => {
          for (let d = 0; d < D; d++) out[at + d] += (Math.exp(scores[n] - most) / total) * v[key(s) + d];
        });
      }
  return out;
};

law(
  "attention is its definition: lower bounds, capped scores, queries that see nothing",
  fc.record({
    B: fc.integer({ min: 1, max: 2 }),
    T: fc.constantFrom(1, 3, 20),
    more: fc.constantFrom(0, 1, 30),
    G: fc.integer({ min: 1, max: 2 }),
    share: fc.integer({ min: 1, max: 2 }),
    D: fc.constantFrom(1, 3, 8),
    softCap: fc.constantFrom(undefined, 0.5, 4),
    kind: fc.constantFrom("none", "window", "any"),
    seed: seeds(),
  }),
  async ({ B, T, more, G, share, D, softCap, kind, seed }, device) => {
    const S = T + more;
    const position = integers([B, T], seed, -1, S);
    const window = integers([B, T], seed, -1 - 5, S - 5);
    const from = { none: [], window: [window], any: [integers([B, T], seed + 9, -3, S + 1)] }[kind];
    const given = [
      eighths([B, T, G * share, D], seed),
      ...[1, 2].map((i) => eighths([B, S, G, D], seed + i)),
      position,
      ...from,
    ];
    const numbers = await Promise.all(given.map((x) => t.read(x)));
    const want = naive({ B, T, S, G, share, D }, numbers, 0.5, softCap);
    const [got] = await run(
      (q, k, v, p, f) => t.attention(q, k, v, p, 0.5, { from: f, softCap }),
      given as [t.Tensor, t.Tensor, t.Tensor, t.Tensor, t.Tensor],
      device,
    );
    assertClose(got, want, { rel: 5e-6, abs: 1e-6 });
  },
  { effort: 0.7 },
);

law(
  "rows packed into one sequence, each from its own first slot on, are the rows apart: values and gradients",
  fc.record({
    lengths: fc.array(fc.constantFrom(1, 2, 5, 17), { minLength: 2, maxLength: 4 }),
    share: fc.integer({ min: 1, max: 2 }),
    window: fc.constantFrom(undefined, 3),
    seed: seeds(),
  }),
  async ({ lengths, share, window, seed }, device) => {
    const D = 8; // as below: drivers compile one text for all
    const total = lengths.reduce((sum, n) => sum + n, 0);
    const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, n) => sum + n, 0));
    const heads = [share, share, 1, 1];
    const whole = heads.map((H, i) => eighths([1, total, H, D], seed + i));
    const of = (slots: number[], first: number[]) =>
      [slots, first].map((x) => t.tensor(Int32Array.from(x), [1, x.length]));
    const bounds = (length: number, start: number) => {
      const slots = Array.from({ length }, (_, i) => start + i);
      return [slots, slots.map((s) => Math.max(start, window === undefined ? 0 : s - window + 1))];
    };
    const both = (ct: t.Tensor, q: t.Tensor, k: t.Tensor, v: t.Tensor, p: t.Tensor, from: t.Tensor) =>
      withGradient((x, y, z) => t.attention(x, y, z, p, 0.5, { from }))(ct, q, k, v);
    const all = lengths.map((n, i) => bounds(n, starts[i]));
    const packed = of(
      all.flatMap(([slots]) => slots),
      all.flatMap(([, first]) => first),
    );
    type Six = [t.Tensor, t.Tensor, t.Tensor, t.Tensor, t.Tensor, t.Tensor];
    const got = await run(both, [...whole, ...packed] as Six, device);
    for (const [i, length] of lengths.entries()) {
      const rows = whole.map((x) => t.evaluate(t.sliceAxis(x, 1, starts[i], starts[i] + length), device));
      const alone = await run(both, [...rows, ...of(...(bounds(length, 0) as [number[], number[]]))] as Six, device);
      t.dispose(rows);
      alone.forEach((want, n) => {
        const row = (n === 0 ? heads[0] : heads[n]) * D; // value, dq, dk, dv
        const part = got[n].slice(starts[i] * row, (starts[i] + length) * row);
        assertClose(part, want, { rel: 5e-6, abs: 5e-6 }, `row ${i}, result ${n}`);
      });
    }
  },
  { effort: 0.4 },
);

law(
  "a query that sees nothing is 0 and has no part in a gradient, whatever is in the slots that others see",
  fc.record({ T: fc.constantFrom(2, 19), seed: seeds() }),
  async ({ T, seed }, device) => {
    const D = 8;
    const given = [0, 1, 2, 3].map((i) => eighths([1, T, 1, D], seed + i));
    const isBlind = (row: number) => row % 3 === seed % 3;
    const slots = Int32Array.from({ length: T }, (_, row) => row);
    const first = t.tensor(
      slots.map((row) => (isBlind(row) ? row + 1 : 0)),
      [1, T],
    );
    const both = (ct: t.Tensor, q: t.Tensor, k: t.Tensor, v: t.Tensor) =>
      withGradient((x, y, z) => t.attention(x, y, z, t.tensor(slots, [1, T]), 0.5, { from: first }))(ct, q, k, v);
    const seen = t.tensor(
      Float64Array.from(slots, (row) => Number(!isBlind(row))),
      [1, T, 1, 1],
    );
    const some = (ct: t.Tensor, q: t.Tensor, k: t.Tensor, v: t.Tensor) => both(t.mul(ct, seen), q, k, v);
    type Four = [t.Tensor, t.Tensor, t.Tensor, t.Tensor];
    const [got, want] = [await run(both, given as Four, device), await run(some, given as Four, device)];
    for (const [i, numbers] of got.entries()) assertSame(numbers, want[i], `result ${i}`);
    for (const row of slots.filter(isBlind))
      for (const i of [0, 1]) assertSame(got[i].slice(row * D, (row + 1) * D), new Float64Array(D));
  },
  { effort: 0.3 },
);

law(
  "what is in slots past all that queries see is nobody's business: NaN there changes no bit",
  fc.record({ T: fc.constantFrom(1, 20), more: fc.constantFrom(1, 30), seed: seeds() }),
  async ({ T, more, seed }, device) => {
    const [D, S] = [8, T + more];
    const position = integers([1, T], seed, 0, T - 1);
    const from = t.tensor(new Int32Array(T), [1, T]);
    const [ct, q] = [0, 1].map((i) => eighths([1, T, 1, D], seed + i));
    const of = (unused: number) => {
      const [k, v] = [2, 3].map((i) => {
        const numbers = t.constantData(eighths([1, S, 1, D], seed + i)).data.map((x, at) => (at < T * D ? x : unused));
        return t.tensor(Float64Array.from(numbers), [1, S, 1, D]);
      });
      const both = (g: t.Tensor, x: t.Tensor, y: t.Tensor, z: t.Tensor) =>
        withGradient((a, b, c) => t.attention(a, b, c, position, 0.5, { from }))(g, x, y, z);
      return run(both, [ct, q, k, v], device);
    };
    const [got, want] = [await of(Number.NaN), await of(0)];
    for (const [i, numbers] of got.entries()) assertSame(numbers, want[i], `result ${i}`);
  },
  { effort: 0.3, on: ["cpu", "webgpu"] },
);

test("options of attention that are not known, and caps that are none, are refused", () => {
  const [q, k, v] = [0, 1, 2].map((i) => eighths([1, 2, 1, 2], i));
  const position = t.tensor([[0, 1]], undefined, "i32");
  const call = (options: object) => () => t.attention(q, k, v, position, 1, options);
  const says = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof t.ShapeError);
    assert.match(String(error), message);
    return true;
  };
  assert.throws(
    call({ softcap: 1 }),
    says(/attention\(f32\[1,2,1,2\].*: option "softcap".*\n.*did you mean "softCap"/),
  );
  for (const softCap of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, null, "1"])
    assert.throws(call({ softCap }), says(new RegExp(`softCap ${softCap} is not`)));
  for (const most of [0, 1.5, -1]) assert.throws(call({ most }), says(new RegExp(`most ${most} is not`)));
  for (const from of [eighths([1, 2], 0), t.tensor([0, 1], undefined, "i32"), t.tensor([[0]], undefined, "i32")])
    assert.throws(call({ from }), says(/from, if given, i32 \[B,T\]/));
  assert.deepEqual(call({ from: undefined, softCap: undefined })().attrs, { scale: 1 });
});
