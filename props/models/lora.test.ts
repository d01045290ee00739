/** Laws of low-rank adapters. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Device,
  dispose,
  evaluate,
  grad,
  InputError,
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
} from "../../core/index.js";
import {
  hiddenStates,
  initLora,
  type LoraOptions,
  logits,
  loraDelta,
  loraTargets,
  mergeLora,
  type Params,
  withLora,
} from "../../models/index.js";
import { onDare } from "../../optim/index.js";
import { assertClose, assertSame, run } from "../close.js";
import { tinyConfig, tinyConfigs, tinyModel } from "../generators/tiny-models.js";
import { trainedConfig } from "../generators/tiny-training.js";
import { check, law } from "../law.js";

const PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const ids = tensor([1, 5, 2, 7, 3, 4], [2, 3], "i32");
const scores = (params: Params, config = trainedConfig): Tensor =>
  logits(params, config, hiddenStates(params, config, ids));
const some = { effort: 0.2 };

const options: fc.Arbitrary<LoraOptions> = fc.record({
  rank: fc.constantFrom(1, 2, 3, 16),
  alpha: fc.constantFrom(1, 3, 32),
  targets: fc.constantFrom(undefined, ["q_proj", "v_proj"], ["mlp.down_proj"], ["lm_head"]),
});

/** Factors of which none is zero, so that nothing hides. */
const factorsOn = (device: Device, choice: LoraOptions, seed = 3): Params =>
  evaluate(
    treeMap(
      (t, name) => (name.includes("lora_B") ? tensor(noise(t.shape, name.length), t.shape) : t),
      initLora(trainedConfig, key(seed), choice),
    ),
    device,
  );
const noise = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (((i * 37 + seed * 11) % 17) - 8) / 16);

law(
  "lora: a fresh adapter changes nothing: the same logits, bit for bit, whatever the architecture",
  fc.tuple(tinyConfigs(), fc.constantFrom(1, 4)),
  async ([config, rank], device) => {
    const { params } = tinyModel(config, device);
    const factors = evaluate(initLora(config, key(1), { rank }), device);
    const [adapted] = await run(
      (f: Params) => scores(withLora(params, f, config, { rank }), config),
      [factors],
      device,
    );
    const [plain] = await run((p: Params) => scores(p, config), [params], device);
    assertSame(adapted, plain);
    dispose(params, factors);
  },
  some,
);

law(
  "lora: targets become W + α/r · B·A, everything else is the base's own tensor",
  options,
  async (choice, device) => {
    const { params } = tinyModel(trainedConfig, device);
    const factors = factorsOn(device, choice);
    const merged = mergeLora(params, factors, trainedConfig, choice);
    const targets = new Map(loraTargets(trainedConfig, choice));
    const { rank = 16, alpha = 32 } = choice;
    for (const [name, t] of Object.entries(params)) {
      const shape = targets.get(name);
      if (shape === undefined) {
        assert.equal(merged[name], t, name);
        continue;
      }
      const module = name.slice(0, -".weight".length);
      const [w, a, b] = await Promise.all(
        [t, factors[`${module}.lora_A.weight`], factors[`${module}.lora_B.weight`]].map((x) => read(x)),
      );
      const [got] = await run(() => merged[name], [], device);
      const [, inner] = shape;
      const want = Array.from(w, (x, at) => {
        const [i, j] = [Math.floor(at / inner), at % inner];
        let product = 0;
        for (let k = 0; k < rank; k++) product += b[i * rank + k] * a[k * inner + j];
        return x + (alpha / rank) * product;
      });
      assertClose(got, want, { rel: 1e-6 }, name);
    }
    dispose(params, factors);
  },
  some,
);

check(
  "lora: targets are found by the end of their name; by default every linear layer but the output matrix",
  async () => {
    const modules = (choice: LoraOptions, config = trainedConfig) =>
      loraTargets(config, choice).map(([name]) => name.split(".").at(-2));
    assert.deepEqual(modules({}).sort(), [...PROJECTIONS].sort());
    assert.deepEqual(modules({}, tinyConfig({ num_hidden_layers: 3 })).length, 3 * PROJECTIONS.length);
    assert.deepEqual(modules({ targets: ["lm_head"] }), ["lm_head"]);
    assert.deepEqual(modules({ targets: ["mlp.up_proj", "q_proj"] }).sort(), ["q_proj", "up_proj"]);
    const refuses = (choice: LoraOptions, pattern: RegExp, config = trainedConfig): void => {
      assert.throws(
        () => loraTargets(config, choice),
        (e) => e instanceof InputError && pattern.test(e.message),
      );
    };
    refuses({ targets: ["proj"] }, /no linear layer is called "proj"; there are q_proj/);
    refuses({ targets: ["embed_tokens"] }, /"embed_tokens"/);
    refuses({ targets: ["lm_head"] }, /"lm_head"/, tinyConfig({ tie_word_embeddings: true }));
    refuses({ targets: [] }, /no target/);
    refuses({ rank: 0 }, /rank is 0/);
    refuses({ rank: 1.5 }, /rank is 1.5/);
    refuses({ alpha: 0 }, /alpha is 0/);
  },
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
  "lora: gradients by the chain rule: dB = s·dW·Aᵀ, dA = s·Bᵀ·dW; at a fresh adapter dA is 0",
  fc.tuple(fc.constantFrom(1, 3), fc.constantFrom(2, 6), fc.boolean()),
  async ([rank, alpha, fresh], device) => {
    const choice = { rank, alpha };
    const { params } = tinyModel(trainedConfig, device);
    const factors = fresh ? evaluate(initLora(trainedConfig, key(3), choice), device) : factorsOn(device, choice);
    const own = evaluate(grad((f: Params) => loss(withLora(params, f, trainedConfig, choice)))(factors), device);
    const whole = evaluate(grad(loss)(mergeLora(params, factors, trainedConfig, choice)), device);
    assert.deepEqual(Object.keys(own).sort(), Object.keys(factors).sort());
    for (const [name, [out, inner]] of loraTargets(trainedConfig, choice)) {
      const [nameA, nameB] = ["A", "B"].map((x) => name.replace(/weight$/, `lora_${x}.weight`));
      const [dw, a, b, da, db] = await Promise.all(
        [whole[name], factors[nameA], factors[nameB], own[nameA], own[nameB]].map((t) => read(t)),
      );
      const s = alpha / rank;
      const total = (n: number, term: (i: number) => number): number =>
        Array.from({ length: n }, (_, i) => term(i)).reduce((x, y) => x + y, 0);
      const wantB = Array.from(
        db,
        (_, at) => s * total(inner, (j) => dw[Math.floor(at / rank) * inner + j] * a[(at % rank) * inner + j]),
      );
      const wantA = Array.from(
        da,
        (_, at) => s * total(out, (i) => b[i * rank + Math.floor(at / inner)] * dw[i * inner + (at % inner)]),
      );
      assertClose(db, wantB, { rel: 1e-4, abs: 1e-6 }, nameB);
      assertClose(da, wantA, { rel: 1e-4, abs: 1e-6 }, nameA);
      if (fresh)
        assert.ok(
          Array.from(da).every((x) => x === 0),
          nameA,
        );
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
    const choice = { rank: 2, alpha: 4, targets: ["v_proj", "up_proj"] };
    const { params: base } = tinyModel(trainedConfig, device);
    const adapter = factorsOn(device, choice);
    const tau = evaluate(loraDelta(adapter), device);
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
    for (const [name] of loraTargets(trainedConfig, choice)) {
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
