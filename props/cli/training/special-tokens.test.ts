/** The end, start and padding tokens of a trained model: the tokenizer's, as TRL aligns them. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { collate } from "../../../align/data/batch.js";
import { parseConfig, readConfig } from "../../../models/config.js";
import { alignTokens } from "../../../models/files/align-tokens.js";
import { saveConfig } from "../../../models/files/folder.js";
import type { JsonObject } from "../../../models/files/json.js";
import { sideFilesOf } from "../../../models/files/side-files.js";
import { goldenPath } from "../../golden/files.js";
import { refused } from "../../golden/refused.js";
import { document, scratch, succeeds } from "../cli.js";

const sft = goldenPath("preferences", "sft");
const [OLD, START, END] = [420, 421, 422];
const readJson = (...path: string[]): JsonObject => JSON.parse(readFileSync(join(...path), "utf8"));

/** A copy of the reference model whose files say such special tokens; null takes the generation file away. */
const model = (config: object, generation: object | null): string => {
  const folder = join(scratch(), "model");
  cpSync(sft, folder, { recursive: true });
  const write = (name: string, fields: object) =>
    writeFileSync(join(folder, name), JSON.stringify({ ...readJson(sft, name), ...fields }, null, 1));
  write("config.json", config);
  if (generation === null) cpSync(join(sft, "config.json"), join(folder, "generation_config.json"));
  else write("generation_config.json", generation);
  return folder;
};

test("a model is trained, and stops, with the tokenizer's end token, and is saved with it", async () => {
  const old = { eos_token_id: OLD };
  const [from, to] = [model(old, old), join(scratch(), "out")];
  const rows = join(scratch(), "rows.jsonl");
  const user = { role: "user", content: "Say hello to Tia in one line" };
  writeFileSync(
    rows,
    `${JSON.stringify({ prompt: [user], completion: [{ role: "assistant", content: "Hello, Tia!" }] })}\n`,
  );
  const { stderr } = await succeeds([
    ...["sft", "--model_name_or_path", from, "--dataset_name", rows, "--output_dir", to, "--device", "cpu"],
    ...["--max_steps", "80", "--per_device_train_batch_size", "1", "--learning_rate", "3e-3"],
  ]);
  assert.match(stderr, /the tokenizer's special tokens take the place of the model's: eos_token_id 422/);
  assert.equal(readJson(to, "config.json").eos_token_id, END);
  assert.deepEqual(readJson(to, "generation_config.json").eos_token_id, [END, OLD]);
  const prompt = `<|im_start|>user\n${user.content}<|im_end|>\n<|im_start|>assistant\n`;
  const { ids, text } = await document<{ ids: number[]; text: string }>([
    ...["generate", "--model", to, "--prompt", prompt, "--greedy", "--max-new-tokens", "40", "--device", "cpu"],
  ]);
  assert.equal(ids.at(-1), END);
  assert.match(text, /Hello, Tia!$/);
});

const tokenizer = { eosId: END, eosToken: "<|im_end|>", bosId: undefined, padId: OLD };

test("the tokenizer's tokens come first, the model's own end tokens still end a generation", () => {
  const align = (raw: object, generation: object, own: Partial<typeof tokenizer> | object = {}) => {
    const config = parseConfig({ ...readJson(sft, "config.json"), ...raw }, "c", generation as JsonObject);
    const { config: aligned, changed } = alignTokens(config, { ...tokenizer, ...own });
    return [aligned.raw.eos_token_id, aligned.eosIds, changed] as const;
  };
  assert.deepEqual(align({}, {}), [END, [END], {}]);
  assert.deepEqual(align({ eos_token_id: OLD }, {}), [END, [END, OLD], { eos_token_id: END }]);
  const all = [END, OLD, 5];
  assert.deepEqual(align({ eos_token_id: [OLD, 5] }, { eos_token_id: [5, OLD] }), [
    all,
    [END, 5, OLD],
    { eos_token_id: all },
  ]);
  assert.deepEqual(align({ eos_token_id: [OLD, END] }, { eos_token_id: [OLD, END] }), [[OLD, END], [OLD, END], {}]);
  assert.deepEqual(align({ eos_token_id: OLD }, { eos_token_id: [END, OLD] })[1], [END, OLD], "once, and first");
  assert.deepEqual(align({}, { eos_token_id: [OLD, END] })[1], [OLD, END], "as it was, where nothing is new");
  assert.deepEqual(align({}, {}, { bosId: START })[2], { bos_token_id: START });
  assert.deepEqual(align({ bos_token_id: START }, {})[2], {}, "a tokenizer without bos");
  assert.deepEqual(align({}, {}, { padId: undefined })[2], { pad_token_id: END }, "without a pad: the end token");
  assert.deepEqual(align({}, {}, { eosId: undefined, padId: 500 })[2], {}, "nothing to align with");
  refused(
    () => align({}, {}, { eosId: 423 }),
    /end token "<\|im_end\|>" has id 423, beyond the model's vocabulary of 423: .*resize the model's embedding/,
  );
});

test("saved: null in generation_config.json is no value, and a new file says all tokens", () => {
  const saved = (config: object, generation: object | null) => {
    const from = model(config, generation ?? {});
    if (generation === null) rmSync(join(from, "generation_config.json"));
    const to = scratch();
    saveConfig(to, alignTokens(readConfig(from), { ...tokenizer, bosId: START }).config, { from: sideFilesOf(from) });
    const { eos_token_id: end, bos_token_id: start, pad_token_id: pad } = readJson(to, "generation_config.json");
    return [end, start, pad];
  };
  const none = { eos_token_id: null, bos_token_id: null, pad_token_id: null };
  assert.deepEqual(saved(none, none), [END, START, OLD]);
  assert.deepEqual(saved({}, {}), [END, START, OLD], "nor is what it does not say");
  assert.deepEqual(saved({ eos_token_id: OLD }, null), [[END, OLD], START, OLD]);
});

test("saved: config.json and generation_config.json say what was aligned, and all else as it was", () => {
  const generations = [null, {}, { eos_token_id: OLD, temperature: 0.7 }, { eos_token_id: [7, OLD], bos_token_id: 3 }];
  for (const generation of generations) {
    const from = model({ eos_token_id: OLD }, generation ?? {});
    if (generation === null) writeFileSync(join(from, "generation_config.json"), '{\n "temperature": 1.0\n}\n');
    const { config } = alignTokens(readConfig(from), tokenizer);
    const to = scratch();
    saveConfig(to, config, { from: sideFilesOf(from) });
    const again = readConfig(to);
    assert.deepEqual([again.eosIds, again.bosId, again.padId], [config.eosIds, config.bosId, config.padId]);
    assert.equal(readJson(to, "config.json").eos_token_id, END);
    const { eos_token_id: _, bos_token_id: __, pad_token_id: ___, ...rest } = readJson(to, "generation_config.json");
    const { eos_token_id: a, bos_token_id: b, pad_token_id: c, ...before } = readJson(from, "generation_config.json");
    assert.deepEqual(rest, before);
    if (generation === null) assert.match(readFileSync(join(to, "generation_config.json"), "utf8"), /1\.0/);
    // Aligned files stay as they are.
    const third = scratch();
    saveConfig(third, alignTokens(again, tokenizer).config, { from: sideFilesOf(to) });
    for (const name of ["config.json", "generation_config.json"])
      assert.equal(readFileSync(join(third, name), "utf8"), readFileSync(join(to, name), "utf8"));
  }
  const none = scratch();
  saveConfig(none, alignTokens(readConfig(sft), tokenizer).config);
  assert.ok(!existsSync(join(none, "generation_config.json")), "config.json says it all");
});

test("padding with the end token masks no true end token", () => {
  const ids = fc.array(fc.integer({ min: 0, max: END }), { minLength: 2, maxLength: 9 });
  fc.assert(
    fc.property(fc.array(ids, { minLength: 1, maxLength: 4 }), (rows) => {
      const sequences = rows.map((row) => ({ ids: [...row, END], completionStart: 1 }));
      const { ids: a, ...withEnd } = collate(sequences, { padId: END });
      const { ids: b, ...withOther } = collate(sequences, { padId: OLD });
      assert.deepEqual(withEnd, withOther);
    }),
    { numRuns: 30 },
  );
});
