/** What keys of TRL's recipes do, beside being read: cuts, batches, the best model. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planBatches } from "../../../align/data/batch.js";
import { tokenizeExamples, tokenizePairs } from "../../../align/data/tokenize.js";
import { rotateCheckpoints } from "../../../align/training/checkpoint.js";
import { resolveValues } from "../../../cli/config.js";
import { InputError } from "../../../core/errors.js";
import { read } from "../../../core/index.js";
import { loadModel, loadTokenizer } from "../../../models/index.js";
import { bestOf, checkBest } from "../../../run/parts/best.js";
import { cadence } from "../../../run/parts/cadence.js";
import { asAsked } from "../../../run/parts/stored.js";
import { goldenPath } from "../../golden/files.js";
import { scratch } from "../cli.js";

const folder = goldenPath("preferences", "sft");
const valuesOf = (keys: Readonly<Record<string, unknown>>) =>
  resolveValues(
    "sft",
    new Map(Object.entries({ model_name_or_path: folder, dataset_name: "d", output_dir: "o", ...keys })),
  );

test("max_prompt_length: a prompt keeps its end, an answer its beginning, and both meet where they met", () => {
  const tokenizer = loadTokenizer(folder);
  const pair = {
    kind: "paired",
    prompt: "one two three four",
    chosen: " five six seven",
    rejected: " no",
    at: "x:1",
  } as const;
  const of = (options: object) => tokenizePairs([pair], tokenizer, options).pairs[0];
  const [whole, cut] = [of({}), of({ maxPromptLength: 3, maxCompletionLength: 2 })];
  const { ids, completionStart: start } = whole.chosen;
  assert.ok(start > 3 && ids.length - start > 2);
  assert.deepEqual(cut.chosen, { ids: ids.slice(start - 3, start + 2), completionStart: 3 });
  assert.deepEqual(of({ maxPromptLength: 99, maxCompletionLength: 99 }), whole);
  const { report } = tokenizePairs([pair], tokenizer, { maxPromptLength: 3 });
  assert.deepEqual([report.promptsCut, report.answersCut], [2, 0]);
});

test("completion_only_loss: false learns prompts too, true refuses rows that have none", () => {
  const tokenizer = loadTokenizer(folder);
  const row = { kind: "completion", prompt: "one two", completion: " three", at: "x:1" } as const;
  const of = (completionOnly?: boolean) => tokenizeExamples([row], tokenizer, { completionOnly }).sequences[0];
  assert.ok(of().completionStart > 0);
  assert.deepEqual(of(true), of());
  assert.deepEqual(of(false), { ...of(), completionStart: 0 });
  const document = [{ kind: "document", content: "text", at: "x:2" }] as const;
  assert.throws(
    () => tokenizeExamples(document, tokenizer, { completionOnly: true }),
    /^InputError: x:2: completion_only/,
  );
});

test("dataloader_drop_last: a batch that is not full is left out", () => {
  const plan = (rows: number) => planBatches({ rows, batchSize: 4, seed: 1, shuffle: true, dropLast: true });
  assert.deepEqual(
    [plan(8), plan(11)].map(({ batchesPerEpoch }) => batchesPerEpoch),
    [2, 2],
  );
  assert.ok([0, 1, 2, 3].every((i) => plan(11).at(i).rows.length === 4));
  assert.throws(() => plan(3), InputError);
});

test("steps as shares, and strategies, as Hugging Face's Trainer has them", async () => {
  const span = { steps: 30, stepsPerEpoch: 12 };
  const at = async (keys: Readonly<Record<string, unknown>>, which: "logs" | "saves") => {
    const due = cadence(await valuesOf(keys), span)[which];
    return Array.from({ length: 30 }, (_, i) => i + 1).filter(due);
  };
  assert.deepEqual(await at({ save_steps: 0.25 }, "saves"), [8, 16, 24]);
  assert.deepEqual(await at({ save_strategy: "epoch" }, "saves"), [12, 24, 30]);
  assert.deepEqual(await at({ save_strategy: "no" }, "saves"), []);
  assert.deepEqual(await at({ logging_steps: 20, logging_first_step: true }, "logs"), [1, 20]);
  assert.deepEqual(await at({ logging_strategy: "epoch" }, "logs"), [12, 24, 30]);
});

test("load_best_model_at_end: the best evaluation that a checkpoint was left of, the same after a resume", async () => {
  const keys = {
    eval_dataset: "e",
    eval_strategy: "steps",
    eval_steps: 2,
    save_steps: 4,
    load_best_model_at_end: true,
  };
  const values = await valuesOf(keys);
  const span = { steps: 12, stepsPerEpoch: 12 };
  const records = [5, 4, 3, 1, 2, 3].map((eval_loss, i) => ({ step: 2 * (i + 1), eval_loss }));
  const best = bestOf(values, span);
  for (const record of records) {
    best.sees(record);
    if (record.step % 4 === 0) best.saved(record.step);
  }
  assert.deepEqual([best.record(), best.checkpoint()], [{ step: 8, value: 1 }, 8]);
  const again = bestOf(values, span, records);
  assert.deepEqual([again.record(), again.checkpoint()], [best.record(), best.checkpoint()]);
  const more = bestOf(await valuesOf({ ...keys, metric_for_best_model: "accuracy" }), span);
  const seen = [0.5, 0.4, 0.6].map((x, i) => more.sees({ step: i + 1, eval_accuracy: x }));
  assert.deepEqual(seen, [true, false, true]);
  const out = { note: () => {} } as never;
  const refused = async (change: object, message: RegExp) => {
    const wrong = await valuesOf({ ...keys, ...change });
    assert.throws(() => checkBest(wrong, out), { name: "InputError", message });
  };
  await refused({ save_steps: 3 }, /must be a multiple of eval_steps/);
  await refused({ save_strategy: "epoch" }, /make them the same/);
  await refused({ eval_strategy: "no" }, /needs evaluations/);
});

test("save_total_limit: the best checkpoint stays, and counts", () => {
  const root = scratch();
  const left = (name: string, keep: number, best?: number): string[] => {
    for (const step of [2, 4, 6, 8]) mkdirSync(join(root, name, `checkpoint-${step}`), { recursive: true });
    rotateCheckpoints(join(root, name), keep, best);
    return readdirSync(join(root, name)).sort();
  };
  assert.deepEqual(left("a", 2), ["checkpoint-6", "checkpoint-8"]);
  assert.deepEqual(left("b", 2, 2), ["checkpoint-2", "checkpoint-8"]);
  assert.deepEqual(left("c", 1, 4), ["checkpoint-4", "checkpoint-8"]);
  assert.deepEqual(left("d", 1, 8), ["checkpoint-8"]);
});

test("dtype and precision: weights rounded to bf16, to nearest; layers that round what their products take", async () => {
  const model = loadModel(folder);
  const asked = asAsked(model, await valuesOf({ torch_dtype: "bfloat16", bf16: "true" }), false);
  assert.equal(asked.config.precision, "f16");
  for (const [name, t] of Object.entries(asked.params)) {
    assert.equal(t.dtype, "bf16");
    const [found, before] = [await read(t), await read(model.params[name])];
    assert.ok(
      before.every((x, i) => Math.abs(x - found[i]) <= Math.abs(x) / 256),
      name,
    );
  }
  assert.equal(asAsked(model, await valuesOf({}), false).config.precision, undefined);
});
