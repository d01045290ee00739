/** `taugrad fit`, and what it offers: every remedy lowers the plan, the one it names makes the run fit, the real models fit. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownersOf } from "../../../align/training/workers/shard.js";
import { resolveValues } from "../../../cli/config.js";
import { sizeOf } from "../../../core/index.js";
import { plannerFor } from "../../../kernels/index.js";
import { type ModelConfig, parseConfig } from "../../../models/config.js";
import { parameterShapes } from "../../../models/parameters.js";
import { plans } from "../../../run/fit/plans.js";
import { firstThatFits, type MemoryValues, REMEDIES } from "../../../run/fit/remedies.js";
import { document, scratch } from "../../cli/cli.js";
import { inside } from "../../cli/inside.js";
import { reach } from "../../reach.js";

const folder = scratch();
const nvidia = await plannerFor("nvidia");
const GiB = 2 ** 30;

const llama = {
  ...{ model_type: "llama", hidden_act: "silu", rms_norm_eps: 1e-5, max_position_embeddings: 8192 },
  ...{ rope_theta: 500_000, torch_dtype: "bfloat16" },
};
const qwen = { ...llama, model_type: "qwen2", max_position_embeddings: 32_768, vocab_size: 151_936 };
const MODELS = {
  tiny: {
    ...{ ...llama, hidden_size: 64, intermediate_size: 160, num_hidden_layers: 1, num_attention_heads: 4 },
    ...{ num_key_value_heads: 2, vocab_size: 1000, tie_word_embeddings: false },
  },
  "SmolLM2-135M": {
    ...{ ...llama, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9 },
    ...{ num_key_value_heads: 3, vocab_size: 49_152, tie_word_embeddings: true },
  },
  "Qwen2.5-0.5B": {
    ...{ ...qwen, hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14 },
    ...{ num_key_value_heads: 2, tie_word_embeddings: true },
  },
  "Qwen1.5-1.8B": {
    ...{ ...qwen, hidden_size: 2048, intermediate_size: 5504, num_hidden_layers: 24, num_attention_heads: 16 },
    ...{ num_key_value_heads: 16, tie_word_embeddings: false },
  },
  "Llama-3-8B": {
    ...{ ...llama, hidden_size: 4096, intermediate_size: 14_336, num_hidden_layers: 32, num_attention_heads: 32 },
    ...{ num_key_value_heads: 8, vocab_size: 128_256, tie_word_embeddings: false },
  },
} as const;
const configOf = (name: keyof typeof MODELS): ModelConfig => parseConfig(MODELS[name]);

const given = new Map(
  (["model_name_or_path", "dataset_name", "output_dir", "base_model_name_or_path"] as const).map((key) => [
    key,
    "none",
  ]),
);
const defaults = (await resolveValues("dpo", given)) as unknown as MemoryValues;
const merging: Partial<MemoryValues> = { optim: "ondare", alpha: 1e-6, reserve_p: 0.5 };

/** Bytes that a DPO run takes at its busiest moment. */
const peakOf = async (config: ModelConfig, keys: Partial<MemoryValues>): Promise<number> => {
  const fit = await plans.dpo({ ...defaults, ...keys }, config, nvidia);
  assert.ok("rehearsed" in fit, JSON.stringify(fit));
  return fit.rehearsed.peak;
};

test("every remedy that is offered lowers the plan", async () => {
  const config = configOf("tiny");
  const short: Partial<MemoryValues> = { max_length: 256, per_device_train_batch_size: 4 };
  const dear: Partial<MemoryValues> = { ...short, gradient_checkpointing: false, precompute_ref_log_probs: false };
  const offered = new Set<number>();
  for (const keys of [dear, { ...dear, ...merging }, { ...short, ...merging, offload: "optimizer" as const }]) {
    const before = await peakOf(config, keys);
    for (const [i, remedy] of REMEDIES.entries()) {
      const change = remedy.keys({ ...defaults, ...keys });
      if (change === undefined) continue;
      offered.add(i);
      const after = await peakOf(config, { ...keys, ...change });
      assert.ok(after < before, `${JSON.stringify(change)}: ${before} → ${after}`);
    }
  }
  assert.equal(offered.size, REMEDIES.length, "each was offered somewhere");
});

test("the remedy that is named makes the run fit, alone or with others; nothing is named where nothing does", async () => {
  const config = configOf("tiny");
  const values = { ...defaults, ...merging, max_length: 256, per_device_train_batch_size: 4 };
  const peak = await peakOf(config, values);
  for (const share of [0.95, 0.4, 0.001]) {
    const seen: MemoryValues[] = [];
    const remedy = await firstThatFits(values, async (changed) => {
      const fits = (await peakOf(config, changed)) <= share * peak;
      if (fits) seen.push(changed);
      return fits;
    });
    assert.equal(remedy !== undefined, seen.length > 0);
    if (share === 0.95) assert.ok(remedy !== undefined && !remedy.includes("max_length"), remedy);
    if (share === 0.001) assert.equal(remedy, undefined);
  }
});

/**
 * DPO with OnDARE, layers recomputed, reference log-probabilities precomputed: GiB that each may take. Planning them all takes a
 * minute: TAUGRAD_REACH=2 npm test -- training/fit; else the first.
 */
const REACH = [
  ["SmolLM2-135M", 6, { per_device_train_batch_size: 4 }],
  ["Qwen2.5-0.5B", 12, { per_device_train_batch_size: 4, gradient_accumulation_steps: 4 }],
  ["Qwen2.5-0.5B", 8, { per_device_train_batch_size: 4, gradient_accumulation_steps: 4, optim_state_dtype: "bf16" }],
  ["Qwen1.5-1.8B", 22.5, { gradient_accumulation_steps: 4, optim_state_dtype: "bf16" }],
  ["Llama-3-8B", 64, { gradient_accumulation_steps: 128, optim_state_dtype: "bf16", offload: "optimizer" }],
  ["Llama-3-8B", 115, { gradient_accumulation_steps: 128, optim_state_dtype: "bf16" }],
  ["Llama-3-8B", 20, { max_length: 1024, use_peft: true, lora_r: 16, optim: "adamw" }],
] as const satisfies readonly (readonly [keyof typeof MODELS, number, Partial<MemoryValues>])[];

for (const [name, most, keys] of reach > 1 ? REACH : REACH.slice(0, 1))
  test(`${name} takes ${most} GiB at most: ${JSON.stringify(keys)}`, async (t) => {
    const plain: Partial<MemoryValues> = {
      ...{ ...merging, max_length: 2048, per_device_train_batch_size: 1 },
      ...{ gradient_checkpointing: true, precompute_ref_log_probs: true },
    };
    const peak = await peakOf(configOf(name), { ...plain, ...keys });
    t.diagnostic(`${(peak / GiB).toFixed(2)} GiB`);
    assert.ok(peak <= most * GiB);
  });

test("the command reads config.json alone, and says for each length and batch what fits", async () => {
  writeFileSync(join(folder, "config.json"), JSON.stringify(MODELS.tiny));
  interface Told {
    readonly rows: readonly {
      readonly max_length: number;
      readonly per_device_train_batch_size: number;
      readonly peak_bytes: number;
      readonly largest_buffer_bytes: number;
      readonly largest_buffer: string;
      readonly launches: number;
      readonly fits: boolean;
      readonly remedy: string | null;
    }[];
  }
  const base = ["fit", "--model", folder, "--adapter", "nvidia"];
  const { rows } = await document<Told>([...base, "--max_length", "256", "--memory", "1GiB"]);
  assert.deepEqual(
    rows.map(({ per_device_train_batch_size: n }) => n),
    [1, 2, 4, 8],
  );
  for (const [i, row] of rows.entries()) {
    assert.ok(row.fits && row.remedy === null && row.launches > 0 && row.largest_buffer_bytes < row.peak_bytes);
    assert.ok(i === 0 || row.peak_bytes > rows[i - 1].peak_bytes);
    assert.match(row.largest_buffer, /\[[\d,]+\]$/);
  }
  const { rows: short } = await document<Told>([
    ...[...base, "--for", "kto", "--max_length", "256", "--per_device_train_batch_size", "8"],
    ...["--memory", `${Math.floor(rows[3].peak_bytes / 2)}`],
  ]);
  assert.ok(!short[0].fits && short[0].remedy !== null);
  for (const [option, value, said] of [
    ["--adapter", "nvidai", /nvidia, lavapipe, swiftshader, cpu, this/],
    ["--memory", "much", /--memory is "much"; it must be bytes/],
  ] as const) {
    const { code, stderr } = await inside(["fit", "--model", folder, option, value]);
    assert.equal(code, 2);
    assert.match(stderr, said);
  }
});

test("of several ranks one takes its share of moments and τ: their lines, and the plan with them, fall by what others keep", async () => {
  const config = configOf("tiny");
  const keys: Partial<MemoryValues> = { ...merging, max_length: 64, per_device_train_batch_size: 2 };
  const planned = async (more: Partial<MemoryValues>) => {
    const fit = await plans.dpo({ ...defaults, ...keys, ...more }, config, nvidia);
    assert.ok("rehearsed" in fit, JSON.stringify(fit));
    const lines = new Map(fit.rehearsed.memory.map(({ what, bytes }) => [what, bytes]));
    return { peak: fit.rehearsed.peak, of: (what: string) => lines.get(what) as number };
  };
  const sizes = [...parameterShapes(config).values()].map(sizeOf);
  const P = sizes.reduce((sum, n) => sum + n, 0);
  const one = await planned({ precompute_ref_log_probs: false });
  assert.equal(one.of("optimizer state"), 8 * P);
  assert.equal(one.of("reference delta"), 4 * P);
  for (const ranks of [2, 3]) {
    const several = await planned({ precompute_ref_log_probs: false, ranks });
    const owners = ownersOf(Object.fromEntries(sizes.map((n, i) => [`${i}`, { shape: [n] }])), ranks);
    const held = Array.from({ length: ranks }, (_, rank) =>
      sizes.reduce((sum, n, i) => sum + (owners[i] === rank ? n : 0), 0),
    );
    assert.equal(several.of("optimizer state"), 8 * Math.max(...held));
    assert.equal(several.of("reference delta"), 4 * Math.max(...held));
    assert.ok(several.peak < one.peak, `${several.peak}, alone ${one.peak}`);
  }
  const rarely: Partial<MemoryValues> = { optim: "adamw", communicate: "every_k", communicate_steps: 2, ranks: 2 };
  const met = await planned({ ...rarely, reserve_p: undefined, outer_momentum: 0.9, precompute_ref_log_probs: false });
  assert.equal(met.of("optimizer state"), 8 * P, "each rank's own, whole");
  assert.equal(met.of("weights of the last meeting"), 4 * P);
  assert.ok(met.of("momentum of meetings") < 4 * P && met.of("momentum of meetings") >= 2 * P);
});
