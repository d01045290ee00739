/** Adapters on disk: what is saved is what is loaded, and what is no adapter of the model is refused by name. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { evaluate, InputError, key, mul, read, tensor } from "../../../core/index.js";
import { openReference } from "../../../kernels/reference/index.js";
import {
  initLora,
  type LoraOptions,
  loadAdapter,
  openSafetensors,
  saveAdapter,
  targetsOf,
  writeSafetensors,
} from "../../../models/index.js";
import { scratch } from "../../cli/cli.js";
import { tinyConfigs, tinyModel } from "../../generators/tiny-models.js";
import { trainedConfig } from "../../generators/tiny-training.js";

const folder = scratch();
const device = await openReference();

test("an adapter comes back as it was saved, whatever rank, α and targets", async () => {
  let count = 0;
  const options = fc.record<LoraOptions>({
    rank: fc.constantFrom(1, 3, undefined),
    alpha: fc.constantFrom(0.5, 8, undefined),
    targets: fc.constantFrom(undefined, ["o_proj"], ["mlp.down_proj", "o_proj"], ".*[ov]_proj"),
    exclude: fc.constantFrom(undefined, ["layers.1.self_attn.q_proj"]),
    ranks: fc.constantFrom(undefined, { "[uq].*_proj": 2 }),
    alphas: fc.constantFrom(undefined, { "layers.0.*q_proj": 5 }),
    rsLora: fc.constantFrom(undefined, true),
    dora: fc.constantFrom(undefined, true),
    bias: fc.constantFrom(undefined, "all" as const, "lora_only" as const),
    modulesToSave: fc.constantFrom(undefined, ["norm"], ["down_proj"]),
  });
  await fc.assert(
    fc.asyncProperty(tinyConfigs(), options, async (config, choice) => {
      const place = join(folder, `${count++}`);
      const { params } = tinyModel(config, device);
      const factors = evaluate(initLora(config, key(count), choice, params), device);
      await saveAdapter(place, { options: choice, factors }, "the base");
      const loaded = loadAdapter(place, config);
      assert.deepEqual(targetsOf(config, loaded.options), targetsOf(config, choice));
      assert.equal(loaded.options.dora, choice.dora);
      assert.deepEqual(Object.keys(loaded.factors).sort(), Object.keys(factors).sort());
      for (const [name, t] of Object.entries(factors)) {
        assert.deepEqual(loaded.factors[name].shape, t.shape);
        assert.deepEqual(Float32Array.from(await read(loaded.factors[name])), Float32Array.from(await read(t)));
      }
    }),
    { numRuns: 20 },
  );
});

test("factors that are missing, foreign, misshapen or not finite are refused by name; none are saved", async () => {
  const place = join(folder, "tampered");
  const choice = { rank: 2, alpha: 4, targets: ["v_proj"] };
  const factors = evaluate(initLora(trainedConfig, key(1), choice), device);
  await saveAdapter(place, { options: choice, factors }, "the base");
  const path = join(place, "adapter_model.safetensors");
  const whole = openSafetensors(path);
  const entries = [...whole.tensors.keys()].map((name) => ({ name, dtype: "F32" as const, ...whole.read(name) }));
  const [first, ...rest] = entries;
  const cases: readonly (readonly [typeof entries, RegExp])[] = [
    [rest, /lora_A.weight" is missing/],
    [[...entries, { ...first, name: "lm_head.weight" }], /"lm_head.weight" is no factor of a LoRA adapter/],
    [
      [...rest, { ...first, shape: [1, first.data.length] }],
      /is \[1,\d+\]; model and adapter_config.json call for \[2,/,
    ],
    [[...rest, { ...first, data: first.data.map(() => Number.NaN) }], /holds NaN at element 0/],
    [
      [...entries, { ...first, name: first.name.replace("v_proj", "q_proj") }],
      /q_proj.*gives no adapter \(target_modules/,
    ],
    [[...entries, { ...first, name: first.name.replace("lora_A.weight", "lora_magnitude_vector") }], /use_dora/],
    [[], /holds no factors/],
  ];
  for (const [changed, message] of cases) {
    writeSafetensors(path, changed);
    assert.throws(
      () => loadAdapter(place, trainedConfig),
      (e) => e instanceof InputError && message.test(e.message),
    );
  }
  const broken = { ...factors, [Object.keys(factors)[0]]: mul(tensor([[Number.POSITIVE_INFINITY]]), 1) };
  const never = join(folder, "never");
  await assert.rejects(saveAdapter(never, { options: choice, factors: evaluate(broken, device) }, ""), /diverged/);
  assert.ok(!existsSync(never));
});

/** Fields that PEFT saves, each with its default. */
const PLAIN = {
  ...{ alora_invocation_tokens: null, alpha_pattern: {}, arrow_config: null, auto_mapping: null, bias: "none" },
  ...{ base_model_name_or_path: "base", corda_config: null, ensure_weight_tying: false, eva_config: null },
  ...{ exclude_modules: null, fan_in_fan_out: false, inference_mode: true, init_lora_weights: true, kasa_config: null },
  ...{ layer_replication: null, layers_pattern: null, layers_to_transform: null, loftq_config: {}, lora_alpha: 4 },
  ...{ lora_bias: false, lora_dropout: 0.05, lora_ga_config: null, megatron_config: null, modules_to_save: null },
  ...{ megatron_core: "megatron.core", monteclora_config: null, peft_type: "LORA", peft_version: "0.21.0" },
  ...{ qalora_group_size: 16, r: 2, rank_pattern: {}, revision: null, target_modules: ["v_proj"] },
  ...{ target_parameters: null, task_type: "CAUSAL_LM", trainable_token_indices: null, use_bdlora: null },
  ...{ use_dora: false, use_qalora: false, use_rslora: false, velora_config: null },
};

/** What each field may not hold; the message names it. */
const REFUSED: readonly Readonly<Record<string, unknown>>[] = [
  ...["pissa", "pissa_niter_16", "olora", "corda", "lora_ga", "loftq", "mica", "kaiming"].map((init_lora_weights) => ({
    init_lora_weights,
  })),
  ...[{ peft_type: "ADALORA" }, { peft_type: null }, { bias: "some" }, { r: 0 }, { r: 2.5 }, { lora_alpha: -1 }],
  ...[{ target_modules: 3 }, { exclude_modules: [1] }, { layers_to_transform: ["0"] }, { layers_pattern: ["h"] }],
  ...[{ rank_pattern: { v_proj: 0 } }, { alpha_pattern: [1] }, { use_dora: "yes" }, { use_rslora: 1 }],
  ...[{ modules_to_save: "norm" }, { lora_bias: true }, { trainable_token_indices: [1] }, { use_qalora: true }],
  ...[{ target_parameters: ["x"] }, { layer_replication: [[0, 1]] }, { alora_invocation_tokens: [5] }],
  ...[{ megatron_config: { a: 1 } }, { arrow_config: { top_k: 1 } }, { kasa_config: { beta: 1 } }],
  ...[{ use_bdlora: { nblocks: 2 } }, { velora_config: { scale: 1 } }, { monteclora_config: { num_samples: 8 } }],
  { a_field_of_tomorrow: 1 },
];

test("a setting counts as in PEFT, or is refused by name", async () => {
  const place = join(folder, "settings");
  const choice = { rank: 2, alpha: 4, targets: ["v_proj"] };
  const factors = evaluate(initLora(trainedConfig, key(1), choice), device);
  await saveAdapter(place, { options: choice, factors }, "the base");
  const settings = (change: Readonly<Record<string, unknown>>): void =>
    writeFileSync(join(place, "adapter_config.json"), JSON.stringify({ ...PLAIN, ...change }));
  for (const change of REFUSED) {
    settings(change);
    const [field] = Object.keys(change);
    const message = new RegExp(`adapter_config.json: ${field} is `);
    assert.throws(
      () => loadAdapter(place, trainedConfig),
      (e) => e instanceof InputError && message.test(e.message),
      JSON.stringify(change),
    );
  }
  const harmless = [
    ...[{}, { init_lora_weights: false }, { init_lora_weights: "gaussian" }, { a_field_of_tomorrow: null }],
    ...[{ target_modules: "all-linear" }, { target_modules: null }, { target_modules: ".*v_proj" }],
    ...[{ layers_to_transform: 0, layers_pattern: "layers" }, { fan_in_fan_out: true }],
  ];
  for (const change of harmless) {
    settings(change);
    const [target, ...more] = targetsOf(trainedConfig, loadAdapter(place, trainedConfig).options);
    assert.deepEqual([target.name, target.scale, more], ["model.layers.0.self_attn.v_proj.weight", 2, []]);
  }
  settings({ use_rslora: true, alpha_pattern: { "layers.0.*": 6 } });
  assert.equal(targetsOf(trainedConfig, loadAdapter(place, trainedConfig).options)[0].scale, 6 / Math.sqrt(2));
});
