/** Offline merging of tensors by its definition, in distribution, and as mergekit does it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bernoulli, type Device, foldIn, InputError, key, ShapeError, tensor } from "../../../core/index.js";
import { type MergeMethod, type MergeOptions, mergeTensors } from "../../../optim/index.js";
import { assertClose, run } from "../../close.js";
import { goldenJson } from "../../golden/files.js";
import { goldenTensors } from "../../golden/stored.js";
import { check, law } from "../../law.js";
import { l1, merge, methods, N, type Source, sources, total, vector, vectors } from "./merge-values.js";

/** The merges by their formulas, element by element; `masks` are DARE's. */
const byDefinition = (
  parts: readonly Source[],
  base: readonly number[],
  options: MergeOptions,
  masks: readonly (readonly number[])[],
): number[] => {
  const { method, vote = "sum", lambda = 1 } = options;
  const normalize = options.normalize ?? (method === "linear" || method === "ties");
  const rescale = options.rescale ?? method.startsWith("dare");
  const w = parts.map(({ weight }) => weight);
  if (method === "linear")
    return base.map((_, i) => total(parts.map(({ theta, weight }) => weight * theta[i])) / (normalize ? total(w) : 1));
  const deltas = parts.map(({ theta, density: p = 1 }, s) => {
    const delta = theta.map((x, i) => x - base[i]);
    if (method === "task_arithmetic" || p === 1) return delta;
    const order = delta.map((_, i) => i).sort((a, b) => Math.abs(delta[b]) - Math.abs(delta[a]) || a - b);
    const largest = new Set(order.slice(0, Math.floor(p * delta.length)));
    const kept = delta.map((x, i) => ((method === "ties" ? largest.has(i) : masks[s][i] !== 0) ? x : 0));
    if (rescale === "density") return kept.map((x) => (p === 0 ? 0 : x / p));
    const norms = [l1(delta), l1(kept)];
    const factor = rescale === false || Math.min(...norms) < 1e-7 ? 1 : norms[0] / norms[1];
    return kept.map((x) => x * factor);
  });
  return base.map((b, i) => {
    const parts = deltas.map((delta, s) => w[s] * delta[i]);
    const elected = total(vote === "sum" ? parts : parts.map(Math.sign)) >= 0 ? 1 : -1;
    const counts = parts.map((x) => !method.endsWith("ties") || Math.sign(x) === elected);
    const mixed = total(parts.filter((_, s) => counts[s]));
    const divisor = total(w.filter((_, s) => counts[s]));
    return b + lambda * (normalize ? mixed / (Math.abs(divisor) < 1e-8 ? 1 : divisor) : mixed);
  });
};

const masksOf = async (parts: readonly Source[], seed: number, device: Device): Promise<number[][]> => {
  const masks = await run(
    () => parts.map(({ density = 1 }, i) => bernoulli(foldIn(key(seed), i), density, [N])),
    [],
    device,
  );
  return masks.map((mask) => Array.from(mask));
};

law(
  "merging follows its definition: every method, vote, rescaling and λ, with and without normalizing",
  fc.record({
    parts: sources,
    base: vectors,
    method: fc.constantFrom(...methods),
    normalize: fc.constantFrom(undefined, true, false),
    // L1 matching scales by quotients, after which an exact tie of the vote may round either way; law 30 has it alone.
    rescale: fc.constantFrom(false, "density" as const),
    vote: fc.constantFrom("sum" as const, "count" as const),
    lambda: fc.constantFrom(0, 0.5, 1, -2),
    seed: fc.nat(1000),
  }),
  async ({ parts, base, seed, ...options }, device) => {
    fc.pre(
      options.method !== "linear" || options.normalize === false || Math.abs(total(parts.map((s) => s.weight))) > 0,
    );
    const dyadic = parts.map((s) => ({
      ...s,
      density: s.density === 0.1 && options.rescale !== false ? 0.25 : s.density,
    }));
    const want = byDefinition(dyadic, base, options, await masksOf(dyadic, seed, device));
    const got = await merge(dyadic, base, { ...options, key: key(seed) }, device);
    assertClose(got, want, { rel: 1e-6, abs: 1e-6 }, options.method);
  },
);

law(
  "matching L1 norms follows its definition, for random and for largest elements, by whichever name it is asked for",
  fc.record({
    part: fc.record({ theta: vectors, weight: fc.constantFrom(0.5, 1, -2), density: fc.constantFrom(0.25, 0.5, 0.75) }),
    base: vectors,
    method: fc.constantFrom("dare_linear" as const, "dare_ties" as const, "ties" as const),
    rescale: fc.constantFrom(undefined, true, "l1" as const),
    seed: fc.nat(1000),
  }),
  async ({ part, base, seed, ...rest }, device) => {
    // One model alone: nobody outvotes it, but a negative weight flips what is elected.
    const options = { ...rest, normalize: false };
    const want = byDefinition([part], base, options, await masksOf([part], seed, device));
    assertClose(await merge([part], base, { ...options, key: key(seed) }, device), want, { rel: 1e-6, abs: 1e-6 });
  },
  { effort: 0.5 },
);

check("L1 norms below 1e-7 are not matched; those above are", async (device) => {
  const small = async (x: number): Promise<number[]> => {
    const parts = [{ theta: [x, x, x, x], weight: 1, density: 0.5 }];
    return merge(parts, [0, 0, 0, 0], { method: "ties", rescale: "l1", normalize: false }, device);
  };
  assertClose(await small(2 ** -26), [2 ** -26, 2 ** -26, 0, 0], { abs: 1e-12 }, "‖δ‖₁ = 6e-8");
  assertClose(await small(2 ** -25), [2 ** -25, 2 ** -25, 0, 0], { abs: 1e-12 }, "‖F(δ)‖₁ = 6e-8");
  assertClose(await small(0.5e-7), [1e-7, 1e-7, 0, 0], { abs: 1e-12 }, "‖F(δ)‖₁ = 1e-7");
  assertClose(await small(2 ** -24), [2 ** -23, 2 ** -23, 0, 0], { abs: 1e-12 }, "both above");
});

check("weights that cancel divide by 1", async (device) => {
  const parts = [
    { theta: [1, 2], weight: 0.5 },
    { theta: [-1, 2], weight: -0.5 },
  ];
  assert.deepEqual(await merge(parts, [0, 0], { method: "task_arithmetic", normalize: true }, device), [1, 0]);
  assert.deepEqual(await merge(parts, [0, 0], { method: "ties" }, device), [1, 2]);
  assert.deepEqual(await merge(parts, undefined, { method: "linear", normalize: false }, device), [1, 0]);
  // The limit is 1e-8, as mergekit's.
  const one = (weight: number, method: MergeMethod) =>
    merge([{ theta: [4], weight }], [0], { method, normalize: true }, device);
  assertClose(await one(1e-8, "task_arithmetic"), [4], { abs: 1e-5 });
  assertClose(await one(7e-9, "task_arithmetic"), [0], { abs: 1e-7 });
  assertClose(await one(1e-8, "linear"), [4], { abs: 1e-5 });
  await assert.rejects(one(7e-9, "linear"), InputError);
});

law(
  "DARE's masks: the same on every device, other for every source and seed, blind to values",
  fc.tuple(fc.nat(1000), fc.constantFrom(0.25, 0.5, 0.75)),
  async ([seed, density], device) => {
    const base = new Array(64).fill(0);
    const kept = async (theta: number, of: number, s = seed): Promise<number[]> => {
      const parts = [0, 1].map((i) => ({ theta: base.map(() => theta), weight: i === of ? 1 : 0, density }));
      const out = await merge(parts, base, { method: "dare_linear", rescale: false, key: key(s) }, device);
      return out.map((x) => (x === 0 ? 0 : 1));
    };
    const [drawn] = await run(() => bernoulli(foldIn(key(seed), 1), density, [64]), [], device);
    assert.deepEqual(await kept(1, 1), Array.from(drawn));
    assert.deepEqual(await kept(-3, 1), await kept(1, 1));
    assert.notDeepEqual(await kept(1, 0), await kept(1, 1));
    assert.notDeepEqual(await kept(1, 0), await kept(1, 0, seed + 1));
  },
  { effort: 0.2 },
);

check(
  "DARE in distribution: the kept count is Binomial, the mean stays with 1/density, the L1 norm with l1",
  async (device) => {
    const n = 8192;
    const base = new Array(n).fill(0.5);
    const theta = base.map((b, i) => b + ((i % 16) - 3) / 8);
    const deltas = theta.map((x, i) => x - base[i]);
    const nonzero = deltas.filter((x) => x !== 0).length;
    for (const [seed, density] of [
      [1, 0.3],
      [2, 0.5],
      [3, 0.9],
    ] as const) {
      const moved = async (rescale: "density" | "l1" | false): Promise<number[]> => {
        const out = await merge(
          [{ theta, weight: 1, density }],
          base,
          { method: "dare_linear", rescale, key: key(seed) },
          device,
        );
        return out.map((x, i) => x - base[i]);
      };
      const raw = await moved(false);
      const count = raw.filter((x) => x !== 0).length;
      assert.ok(
        Math.abs(count - nonzero * density) < 4 * Math.sqrt(nonzero * density * (1 - density)),
        `kept ${count} of ${nonzero}`,
      );
      for (const [i, x] of raw.entries()) assert.ok(x === 0 || x === deltas[i]);
      const spread = Math.sqrt((total(deltas.map((x) => x * x)) * (1 - density)) / density);
      assert.ok(
        Math.abs(total(await moved("density")) - total(deltas)) < 4 * spread,
        `density ${density}: the mean moved`,
      );
      assert.ok(Math.abs(l1(await moved("l1")) / l1(deltas) - 1) < 1e-4, `density ${density}: the L1 norm changed`);
    }
  },
);

check("the vote: zero elects +, a zero is nobody's, and counting is not summing", async (device) => {
  const base = [0, 0, 0];
  const parts = [
    { theta: [1, 0, -3], weight: 1 },
    { theta: [-1, 0, 1], weight: 1 },
    { theta: [0, -2, 1], weight: 1 },
  ];
  const options = { method: "ties", normalize: false } as const;
  assert.deepEqual(await merge(parts, base, options, device), [1, -2, -3]);
  assert.deepEqual(await merge(parts, base, { ...options, vote: "count" }, device), [1, -2, 2]);
  assert.deepEqual(await merge(parts, base, { method: "ties" }, device), [1, -2, -3]);
});

check(
  "ties keeps floor(density·n) by magnitude, ties to the lower index; density·n below 1 keeps nothing",
  async (device) => {
    const theta = [1, -1, 1, 0.5];
    const kept = (density: number) =>
      merge([{ theta, weight: 1, density }], [0, 0, 0, 0], { method: "ties", normalize: false }, device);
    assert.deepEqual(await kept(0.5), [1, -1, 0, 0]);
    assert.deepEqual(await kept(0.7), [1, -1, 0, 0]);
    assert.deepEqual(await kept(0.2), [0, 0, 0, 0]);
  },
);

check("what cannot be merged is refused", async () => {
  const [a, b] = [vector([1, 2]), vector([1, 2, 3])];
  const one = (weight: number, density?: number) => ({ tensor: a, weight, density });
  const refuses = (call: () => unknown, kind: typeof InputError | typeof ShapeError, pattern: RegExp): void => {
    assert.throws(call, (error) => error instanceof kind && pattern.test(error.message));
  };
  refuses(() => mergeTensors([one(0.5), one(-0.5)], undefined, { method: "linear" }), InputError, /sum to 0/);
  refuses(() => mergeTensors([one(1)], undefined, { method: "ties" }), InputError, /needs the base/);
  refuses(() => mergeTensors([], a, { method: "ties" }), InputError, /nothing to merge/);
  refuses(() => mergeTensors([one(1, 1.5)], a, { method: "ties" }), InputError, /density is 1.5/);
  refuses(() => mergeTensors([one(Number.NaN)], a, { method: "ties" }), InputError, /weight is NaN/);
  refuses(() => mergeTensors([one(1, 0.5)], a, { method: "dare_ties" }), InputError, /needs a key/);
  refuses(() => mergeTensors([one(1)], a, { method: "ties", lambda: Number.POSITIVE_INFINITY }), InputError, /lambda/);
  refuses(
    () => mergeTensors([one(1), { tensor: b, weight: 1 }], undefined, { method: "linear" }),
    ShapeError,
    /differ in shape/,
  );
  refuses(() => mergeTensors([one(1), { tensor: b, weight: 1 }], a, { method: "ties" }), ShapeError, /differ in shape/);
});

interface GoldenMerge {
  readonly name: string;
  readonly config: {
    readonly merge_method: MergeMethod;
    readonly models: readonly { model: "sft" | "policy"; parameters: { weight: number; density?: number } }[];
    readonly parameters?: { readonly normalize: boolean };
  };
}

check("merges equal mergekit's, tensor by tensor, to 1e-6", async (device) => {
  const golden = await goldenTensors("preferences", "merges.safetensors");
  const cases = goldenJson<GoldenMerge[]>("preferences", "merges.json");
  const models = {
    sft: await goldenTensors("preferences", "sft", "model.safetensors"),
    policy: await goldenTensors("preferences", "policy", "model.safetensors"),
  };
  const names = [...golden.tensors.keys()].flatMap((name) => (name.startsWith("base/") ? [name.slice(5)] : []));
  assert.deepEqual([cases.length, names.length], [5, 5]);
  for (const { name: label, config } of cases)
    for (const name of names) {
      const base = golden.read(`base/${name}`);
      const parts = config.models.map(({ model, parameters }) => {
        const { data, shape } = models[model].read(name);
        return { tensor: tensor(data, shape), ...parameters };
      });
      const options = { method: config.merge_method, normalize: config.parameters?.normalize };
      const [got] = await run(() => mergeTensors(parts, tensor(base.data, base.shape), options), [], device);
      assertClose(got, golden.read(`${label}/${name}`).data, { abs: 1e-6 }, `${label}: ${name}`);
    }
});
