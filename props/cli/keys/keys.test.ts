/** The table of other trainers' keys: whole, true to the option table, and what docs/trl.md says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseArguments } from "../../../cli/arguments.js";
import { resolveValues } from "../../../cli/config.js";
import { keysDocument } from "../../../cli/keys-document.js";
import { optionsOf } from "../../../cli/options.js";
import { InputError } from "../../../core/errors.js";
import type { Reader } from "../../../run/keys/row.js";
import { keysOf, ORIGINS } from "../../../run/keys/table.js";
import { projectRoot } from "../../golden/files.js";
import { lastOf } from "../cli.js";

const published = JSON.parse(
  readFileSync(join(projectRoot, "props", "golden", "recipes", "published-keys.json"), "utf8"),
) as Record<string, readonly string[]>;

const needed = ["--model_name_or_path", "m", "--dataset_name", "d", "--output_dir", "o"];

/** What keys on a command line come to, and what is said of them. */
const resolved = async (reader: "sft" | "dpo" | "kto", ...args: readonly string[]) => {
  const notes: string[] = [];
  const { values: given } = parseArguments(reader, lastOf([...needed, ...args]));
  const values = (await resolveValues(reader, given, (note) => notes.push(note))) as Record<string, unknown>;
  return { values, notes };
};

const refusal = async (reader: "sft" | "dpo" | "kto", pattern: RegExp, ...args: readonly string[]): Promise<void> =>
  assert.rejects(resolved(reader, ...args), (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("\n"));
    return true;
  });

test("keys: every published key has a row for the commands of its trainer", () => {
  const of: Readonly<Record<string, readonly Reader[]>> = {
    SFTConfig: ["sft"],
    DPOConfig: ["dpo"],
    KTOConfig: ["kto"],
    TrainingArguments: ["sft", "dpo", "kto"],
    ModelConfig: ["sft", "dpo", "kto"],
    ScriptArguments: ["sft", "dpo", "kto"],
  };
  for (const [origin, readers] of Object.entries(of)) {
    assert.ok(published[origin].length > 5, origin);
    for (const reader of readers) {
      const missing = published[origin].filter((name) => !Object.hasOwn(keysOf(reader), name));
      assert.deepEqual(missing, [], `${origin}, for ${reader}`);
    }
  }
});

test("keys: what is called the same, or named by a rule, is an option", () => {
  for (const [origin, readers, keys] of ORIGINS)
    for (const [name, { rule }] of Object.entries(keys)) {
      const told = rule.startsWith("the same") ? name : /^`(\w+)`$/.exec(rule)?.[1];
      if (told === undefined) continue;
      const has = readers.map((reader) => optionsOf(reader).has(told as never));
      // LLaMA-Factory has one set of keys for all that it trains.
      assert.ok(origin.startsWith("LL") ? has.includes(true) : !has.includes(false), `${origin}: ${name}`);
    }
});

test("keys: docs/trl.md is what taugrad help keys prints", () => {
  assert.equal(readFileSync(join(projectRoot, "docs", "trl.md"), "utf8"), keysDocument());
});

test("keys: those that change nothing leave every value as it is, whatever they say, and are named", async () => {
  const { values: plain } = await resolved("dpo");
  const idle = Object.entries(keysOf("dpo")).filter(([, { rule }]) => rule.startsWith("changes nothing"));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...idle.map(([name]) => name)),
      fc.constantFrom("true", "8", "some/name", "1e-3"),
      async (name, value) => {
        const { values, notes } = await resolved("dpo", `--${name}`, value);
        assert.deepEqual(values, plain);
        assert.match(notes[0], new RegExp(`^note: ${name} changes nothing here`));
      },
    ),
    { numRuns: 40 },
  );
});

test("keys: those with other values are refused by name", async () => {
  const firm = Object.entries(keysOf("sft")).filter(([, { rule }]) => /^(only|refused)/.test(rule));
  assert.ok(firm.length > 30);
  for (const [name] of firm) await refusal("sft", new RegExp(`^--${name} is .*: .{10}`), `--${name}`, "7");
  await refusal(
    "sft",
    /^--neftune_noise_alpha is "5": .*; --load_in_4bit is true: /,
    "--neftune_noise_alpha",
    "5",
    "--load_in_4bit",
  );
  await refusal("dpo", /taugrad dpo has no option --packing|is a key of taugrad sft/, "--packing");
  await refusal("sft", /did you mean --warmup_ratio/, "--warmup_ration", "0.1");
});

test("keys: what is mapped", async () => {
  const cases: readonly (readonly ["sft" | "dpo" | "kto", readonly string[], Readonly<Record<string, unknown>>])[] = [
    ["sft", ["--warmup_ratio", "0.1"], { warmup_steps: 0.1 }],
    ["sft", ["--warmup_ratio", "0.0", "--warmup_steps", "7"], { warmup_steps: 7 }],
    ["sft", ["--warmup_ratio", "0.1", "--warmup_steps", "0"], { warmup_steps: 0.1 }],
    ["sft", ["--max_seq_length", "77"], { max_length: 77 }],
    ["sft", ["--bf16"], { precision: "f16" }],
    ["sft", ["--fp16", "true", "--bf16", "false"], { precision: "f16" }],
    ["sft", ["--bf16", "false"], { precision: "f32" }],
    ["dpo", ["--torch_dtype", "bfloat16"], { dtype: "bfloat16" }],
    ["dpo", ["--evaluation_strategy", "no"], { eval_strategy: "no" }],
    ["dpo", ["--optim", "adamw_torch_fused"], { optim: "adamw", adam_beta2: undefined }],
    ["dpo", ["--optim", "paged_adamw_32bit"], { optim: "adamw" }],
    ["dpo", ["--optim", "lion_32bit"], { optim: "lion", adam_beta2: 0.999 }],
    ["dpo", ["--optim", "lion_32bit", "--adam_beta2", "0.95"], { optim: "lion", adam_beta2: 0.95 }],
    ["dpo", ["--optim", "lion"], { optim: "lion", adam_beta2: undefined }],
    ["dpo", ["--rpo_alpha", "0.5"], { loss_type: ["sigmoid", "sft"], loss_weights: [1, 0.5] }],
    ["dpo", ["--loss_type", "ipo", "--rpo_alpha", "2"], { loss_type: ["ipo", "sft"], loss_weights: [1, 2] }],
    ["dpo", ["--train_sampling_strategy", "sequential"], { shuffle_dataset: false }],
    ["dpo", ["--use_cpu"], { device: "cpu" }],
    ["dpo", ["--resume_from_checkpoint", "true"], { resume: true }],
    ["dpo", ["--pref_beta", "0.3", "--pref_loss", "simpo"], { beta: 0.3, loss_type: ["simpo"] }],
    ["dpo", ["--finetuning_type", "lora", "--lora_rank", "4"], { use_peft: true, lora_r: 4, lora_alpha: 8 }],
    [
      "dpo",
      ["--finetuning_type", "lora"],
      { use_peft: true, lora_r: 8, lora_alpha: 16, lora_target_modules: ["all-linear"] },
    ],
    ["dpo", ["--finetuning_type", "lora", "--lora_alpha", "5"], { lora_alpha: 5 }],
    ["dpo", ["--model_name_or_path", "a/b", "--model_revision", "v1"], { model_name_or_path: "a/b@v1" }],
    ["dpo", ["--model_revision", "main"], { model_name_or_path: "m" }],
    ["kto", ["--kto_chosen_weight", "2"], { desirable_weight: 2 }],
    ["sft", ["--stage", "sft"], { completion_only_loss: true }],
    ["sft", ["--lr_scheduler_kwargs", '{"min_lr_rate": 0.1}'], { lr_scheduler_kwargs: { min_lr_rate: 0.1 } }],
  ];
  for (const [reader, args, expected] of cases) {
    const { values } = await resolved(reader, ...args);
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((key) => [key, values[key]])),
      expected,
      args.join(" "),
    );
  }
  await refusal(
    "sft",
    /^--warmup_ratio is "?0.1"?: warmup_steps is 5 beside it/,
    "--warmup_ratio",
    "0.1",
    "--warmup_steps",
    "5",
  );
  await refusal(
    "sft",
    /^--max_seq_length is .*, and max_length says 64/,
    "--max_length",
    "64",
    "--max_seq_length",
    "77",
  );
  await refusal("kto", /^--stage is "sft": the command says what is trained/, "--stage", "sft");
  for (const optim of ["adamw_8bit", "paged_adamw_8bit"])
    await refusal("dpo", /moments are kept in f32/, "--optim", optim);
  await refusal("dpo", /^--optim is "rmsprop"; it must be one of adamw/, "--optim", "rmsprop");
  await refusal("dpo", /would follow evaluations/, "--lr_scheduler_type", "reduce_lr_on_plateau");
});
