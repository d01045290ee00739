/** Laws of low-rank adapters. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  type Device,
  dispose,
  evaluate,
  grad,
  key,
  mul,
  read,
  scalar,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  treeMap,
  treeZip,
} from "../../../core/index.js";
import {
  hiddenStates,
  initLora,
  type LoraOptions,
  logits,
  loraDelta,
  loraTargets,
  mergeLora,
  type Params,
  targetsOf,
  withLora,
} from "../../../models/index.js";
import { onDare } from "../../../optim/index.js";
import { assertClose, assertSame, run } from "../../close.js";
import { tinyConfig, tinyConfigs, tinyModel } from "../../generators/tiny-models.js";
import { trainedConfig } from "../../generators/tiny-training.js";
import { check, law } from "../../law.js";

const ids = tensor([1, 5, 2, 7, 3, 4], [2, 3], "i32");
const scores = (params: Params, config = trainedConfig): Tensor =>
  logits(params, config, hiddenStates(params, config, ids));
const some = { effort: 0.2 };

const options: fc.Arbitrary<LoraOptions> = fc.record({
  rank: fc.constantFrom(1, 2, 3, 16),
  alpha: fc.constantFrom(1, 3, 32),
  targets: fc.constantFrom(undefined, ["q_proj", "v_proj"], ["mlp.down_proj"], ["lm_head"], ".*_proj"),
  ranks: fc.constantFrom(undefined, { "[vd].*_proj": 2, v_proj: 3 }),
  alphas: fc.constantFrom(undefined, { "mlp.down_proj": 5 }),
  rsLora: fc.boolean(),
  dora: fc.boolean(),
  bias: fc.constantFrom(undefined, "all", "lora_only"),
  modulesToSave: fc.constantFrom(undefined, ["embed_tokens"], ["norm", "up_proj"]),
});

/** What is trained, of which nothing is zero or the base's, so that nothing hides. */
const factorsOn = (device: Device, choice: LoraOptions, base: Params, config = trainedConfig, seed = 3): Params =>
  evaluate(
    treeMap(
      (t, name) => {
        if (name.includes("lora_A")) return t;
        const change = tensor(noise(t.shape, name.length), t.shape);
        return name.includes("lora_B") ? change : add(t, mul(0.25, change));
      },
      initLora(config, key(seed), choice, base),
    ),
    device,
  );
const noise = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (((i * 37 + seed * 11) % 17) - 8) / 16);

law(
  "lora: a fresh adapter changes nothing: the same logits, bit for bit, whatever the architecture",
  fc.tuple(tinyConfigs(), fc.constantFrom(1, 4), fc.boolean()),
  async ([config, rank, dora], device) => {
    const { params } = tinyModel(config, device);
    const choice: LoraOptions = { rank, dora, bias: "all", modulesToSave: config.tied ? ["norm"] : ["lm_head"] };
    const factors = evaluate(initLora(config, key(1), choice, params), device);
    const [adapted] = await run((f: Params) => scores(withLora(params, f, config, choice), config), [factors], device);
    const [plain] = await run((p: Params) => scores(p, config), [params], device);
    if (dora) assertClose(adapted, Array.from(plain, Number), { rel: 1e-5, abs: 1e-5 });
    else assertSame(adapted, plain);
    dispose(factors);
    const [again] = await run((p: Params) => scores(p, config), [params], device);
    assertSame(again, plain); // what is trained whole was a copy
    dispose(params);
  },
  { effort: 0.1 },
);

law(
  "lora: beside the weights or merged into them, whatever the architecture: fused matrices too",
  fc.tuple(tinyConfigs(), fc.boolean()),
  async ([config, dora], device) => {
    const { params } = tinyModel(config, device);
    const choice: LoraOptions = { rank: 2, dora };
    const factors = factorsOn(device, choice, params, config);
    const [beside, merged] = [withLora, mergeLora].map((make) => (f: Params) => make(params, f, config, choice));
    const [got] = await run((f: Params) => scores(beside(f), config), [factors], device);
    const [want] = await run((f: Params) => scores(merged(f), config), [factors], device);
    assertClose(got, Array.from(want, Number), { rel: 1e-4, abs: 1e-4 });
    dispose(params, factors);
  },
  { effort: 0.1 },
);

/** Numbers of a tensor on a device. */
const numbers = async (t: Tensor): Promise<number[]> => Array.from(await read(t), Number);

law(
  "lora: targets become W + α/r · B·A, with DoRA of the lengths trained; what is trained whole is itself; the rest is the base's own",
  options,
  async (choice, device) => {
    const { params } = tinyModel(trainedConfig, device);
    const factors = factorsOn(device, choice, params);
    const merged = mergeLora(params, factors, trainedConfig, choice);
    const targets = new Map(targetsOf(trainedConfig, choice).map((target) => [target.name, target]));
    for (const [name, t] of Object.entries(params)) {
      const target = targets.get(name);
      if (target === undefined) {
        assert.equal(merged[name], factors[name] ?? t, name);
        continue;
      }
      const { rank, scale, shape } = target;
      const [, inner] = shape;
      const part = (which: string) => factors[name.replace(/weight$/, which)];
      const [w, a, b] = await Promise.all([t, part("lora_A.weight"), part("lora_B.weight")].map(numbers));
      const lengths = choice.dora ? await numbers(part("lora_magnitude_vector")) : undefined;
      const changed = w.map((x, at) => {
        const [i, j] = [Math.floor(at / inner), at % inner];
        let product = 0;
        for (let k = 0; k < rank; k++) product += b[i * rank + k] * a[k * inner + j];
        return x + scale * product;
      });
      const row = (i: number): number => Math.hypot(...changed.slice(i * inner, (i + 1) * inner));
      const want = changed.map((x, at) => {
        const i = Math.floor(at / inner);
        return lengths === undefined ? x : (x * lengths[i]) / row(i);
      });
      const [got] = await run(() => merged[name], [], device);
      assertClose(got, want, { rel: 1e-5 }, name);
    }
    assert.deepEqual(Object.keys(merged).sort(), Object.keys(params).sort());
    dispose(params, factors);
  },
  some,
);

law(
  "lora: beside the weights or merged into them: the same logits, and the same gradients of all that is trained",
  options,
  async (choice, device) => {
    const { params } = tinyModel(trainedConfig, device);
    const factors = factorsOn(device, choice, params);
    const [beside, merged] = [withLora, mergeLora].map((make) => (f: Params) => make(params, f, trainedConfig, choice));
    const outputs = await Promise.all(
      [beside, merged].map((make) => run((f: Params) => scores(make(f)), [factors], device)),
    );
    assertClose(outputs[0][0], Array.from(outputs[1][0], Number), { rel: 1e-4, abs: 1e-4 });
    const [own, want] = [beside, merged].map((make) => evaluate(grad((f: Params) => loss(make(f)))(factors), device));
    for (const [name, t] of Object.entries(own)) {
      const expected = await numbers(want[name]);
      const size = Math.max(...expected.map(Math.abs));
      assertClose(await read(t), expected, { rel: 1e-3, abs: 1e-4 * size + 1e-5 }, name);
    }
    dispose(params, factors, own, want);
  },
  { effort: 0.1 },
);

check("lora: A has variance 1/(3·in) and depends on key and name alone, B is zero", async (device) => {
  const config = tinyConfig({ hidden_size: 64, num_attention_heads: 4, head_dim: 16, intermediate_size: 96 });
  const draw = async (choice: LoraOptions, seed = 1): Promise<ReadonlyMap<string, ArrayLike<number>>> => {
    const factors = evaluate(initLora(config, key(seed), choice), device);
    const values = await Promise.all(Object.entries(factors).map(async ([name, t]) => [name, await read(t)] as const));
    dispose(factors);
    return new Map(values);
  };
  const [all, few, other] = [await draw({}), await draw({ targets: ["up_proj"] }), await draw({}, 2)];
  for (const [name, data] of all) {
    const numbers = Array.from(data);
    if (name.includes("lora_B")) assert.ok(numbers.every((x) => x === 0));
    else {
      const inner = name.includes("down_proj") ? 96 : 64;
      const variance = numbers.reduce((total, x) => total + x * x, 0) / numbers.length;
      assert.ok(Math.abs(variance * 3 * inner - 1) < 5 * Math.sqrt(2 / numbers.length), `${name}: ${variance}`);
      assert.notDeepEqual(Array.from(other.get(name) ?? []), numbers);
    }
  }
  for (const [name, data] of few) assertSame(data, all.get(name) ?? []);
});

/** A loss over weights that all of them matter to. */
const loss = (params: Params): Tensor => sum(square(scores(params)));

law(
  "lora: gradients by the chain rule: dB = s·dV·Aᵀ, dA = s·Bᵀ·dV; with DoRA dV = m/n · dW and dm = (dW · V)/n; at a fresh adapter dA is 0",
  fc.tuple(fc.constantFrom(1, 3), fc.constantFrom(2, 6), fc.boolean(), fc.boolean()),
  async ([rank, alpha, fresh, dora], device) => {
    const choice = { rank, alpha, dora };
    const { params } = tinyModel(trainedConfig, device);
    const factors = fresh
      ? evaluate(initLora(trainedConfig, key(3), choice, params), device)
      : factorsOn(device, choice, params);
    const own = evaluate(grad((f: Params) => loss(withLora(params, f, trainedConfig, choice)))(factors), device);
    const whole = evaluate(grad(loss)(mergeLora(params, factors, trainedConfig, choice)), device);
    assert.deepEqual(Object.keys(own).sort(), Object.keys(factors).sort());
    for (const [name, [out, inner]] of loraTargets(trainedConfig, choice)) {
      const [nameA, nameB, nameM] = ["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"].map((x) =>
        name.replace(/weight$/, x),
      );
      const [w, dw, a, b, da, db] = await Promise.all(
        [params[name], whole[name], factors[nameA], factors[nameB], own[nameA], own[nameB]].map(numbers),
      );
      const s = alpha / rank;
      const total = (n: number, term: (i: number) => number): number =>
        Array.from({ length: n }, (_, i) => term(i)).reduce((x, y) => x + y, 0);
      const v = w.map(
        (x, at) => x + s * total(rank, (k) => b[Math.floor(at / inner) * rank + k] * a[k * inner + (at % inner)]),
      );
      const length = Array.from({ length: out }, (_, i) => Math.hypot(...v.slice(i * inner, (i + 1) * inner)));
      const m = dora ? await numbers(factors[nameM]) : length;
      const dv = dw.map((x, at) => (x * m[Math.floor(at / inner)]) / length[Math.floor(at / inner)]);
      const wantB = db.map(
        (_, at) => s * total(inner, (j) => dv[Math.floor(at / rank) * inner + j] * a[(at % rank) * inner + j]),
      );
      const wantA = da.map(
        (_, at) => s * total(out, (i) => b[i * rank + Math.floor(at / inner)] * dv[i * inner + (at % inner)]),
      );
      assertClose(db, wantB, { rel: 1e-4, abs: 1e-5 }, nameB);
      assertClose(da, wantA, { rel: 1e-4, abs: 1e-5 }, nameA);
      if (dora) {
        const wantM = length.map((n, i) => total(inner, (j) => dw[i * inner + j] * v[i * inner + j]) / n);
        assertClose(await read(own[nameM]), wantM, { rel: 1e-4, abs: 1e-5 }, nameM);
      }
      if (fresh) assert.ok(da.every((x) => x === 0), nameA); // biome-ignore format: one line
    }
    dispose(params, factors, own, whole);
  },
  { effort: 0.1 },
);

check("lora: at full rank, A the identity and α = r, a gradient step on B is the full step on W", async (device) => {
  const rank = 12;
  const choice = { rank, alpha: rank, targets: ["q_proj", "up_proj"] };
  const { params } = tinyModel(trainedConfig, device);
  const identity = tensor(
    Float32Array.from({ length: rank * rank }, (_, i) => (i % (rank + 1) === 0 ? 1 : 0)),
    [rank, rank],
  );
  const start = evaluate(
    treeMap((t, name) => (name.includes("lora_A") ? identity : t), initLora(trainedConfig, key(0), choice)),
    device,
  );
  const lr = 1e-3;
  const grads = evaluate(grad((f: Params) => loss(withLora(params, f, trainedConfig, choice)))(start), device);
  const stepped = evaluate(
    treeZip(([f, g]) => sub(f, mul(lr, g)), start, grads),
    device,
  );
  const merged = evaluate(mergeLora(params, stepped, trainedConfig, choice), device);
  const whole = evaluate(grad(loss)(params), device);
  for (const [name] of loraTargets(trainedConfig, choice)) {
    const [got, w, dw] = await Promise.all([merged[name], params[name], whole[name]].map((t) => read(t)));
    assertClose(
      got,
      Array.from(w, (x, i) => x - lr * dw[i]),
      { rel: 1e-5 },
      name,
    );
    assert.ok(
      Array.from(got).some((x, i) => Math.abs(x - w[i]) > 1e-4),
      `${name} did not move`,
    );
  }
  const untouched = Object.fromEntries(Object.entries(merged).filter(([name, t]) => t !== params[name]));
  dispose(untouched, params, start, grads, stepped, whole);
});

law(
  "lora, laws 4 and 7: OnDARE on factors drifts the weights along W_reference − W_base: T steps without gradients give TαF(τ)",
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, 0.125, 1)),
  async ([steps, alpha], device) => {
    const choice = {
      rank: 2,
      alpha: 4,
      targets: ["v_proj", "up_proj"],
      modulesToSave: ["k_proj"],
      bias: "all",
    } as const;
    const { params: base } = tinyModel(trainedConfig, device);
    const adapter = factorsOn(device, choice, base);
    const tau = evaluate(loraDelta(adapter, base), device);
    // The base itself: the adapter's A, and no B.
    const start = evaluate(
      treeZip(([f, t]) => sub(f, t), adapter, tau),
      device,
    );
    const rule = onDare({ alpha, reserveP: 1 });
    const none = treeMap((t) => mul(t, 0), start);
    let state = evaluate(rule.init(start, { seed: 1 }), device);
    for (let step = 0; step < steps; step++) {
      const next = evaluate(rule.update(state, none, { lr: scalar(0.1), tau }), device);
      dispose(state);
      state = next;
    }
    const reference = mergeLora(base, adapter, trainedConfig, choice);
    const drifted = mergeLora(base, state.params, trainedConfig, choice);
    for (const name of Object.keys(base)) {
      const [w, ref, got] = await run(() => [base[name], reference[name], drifted[name]], [], device);
      const want = Array.from(w, (x, i) => x + steps * alpha * (ref[i] - x));
      assertClose(got, want, { rel: 1e-5 }, name);
      if (alpha === 1 && steps === 1)
        assertClose(got, ref, { rel: 1e-6 }, `${name}: one step of α = 1 is the reference`);
    }
    dispose(base, adapter, tau, start, state);
  },
  { effort: 0.1 },
);
