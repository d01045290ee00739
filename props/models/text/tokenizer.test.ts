import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import fc from "fast-check";
import type { ChatMessage } from "../../../models/text/chat-message.js";
import { checkTokenIds, loadTokenizer } from "../../../models/text/tokenizer.js";
import { besideCheckout, goldenJson, goldenPath } from "../../golden/files.js";
import { refused } from "../../golden/refused.js";

const source = goldenPath("preferences", "base");
const tokenizer = loadTokenizer(source);

let folder = "";
beforeEach(() => {
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
  folder = mkdtempSync(join(tmpdir(), "taugrad-tokenizer-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the reference tokenizer with another config and, if given, a template file. */
const variant = (config: object, template?: string) => {
  copyFileSync(join(source, "tokenizer.json"), join(folder, "tokenizer.json"));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  if (template !== undefined) writeFileSync(join(folder, "chat_template.jinja"), template);
  return loadTokenizer(folder);
};

const golden = goldenJson<{
  cases: { text: string; ids: number[] }[];
  chat: { messages: ChatMessage[]; ids: number[] }[];
}>("preferences", "tokenizer_cases.json");

test("every reference text gives the reference ids", () => {
  assert.ok(golden.cases.length > 50);
  for (const { text, ids } of golden.cases) assert.deepEqual(tokenizer.encode(text), ids, text);
});

test("every reference conversation gives the reference ids", () => {
  assert.ok(golden.chat.length > 0);
  for (const { messages, ids } of golden.chat)
    assert.deepEqual(tokenizer.encodeChat(messages, { addGenerationPrompt: true }), ids);
});

test("stories260K: ids of its texts, and its greedy continuation as text", () => {
  const path = besideCheckout("models", "stories260K");
  if (path === undefined) return;
  const stories = loadTokenizer(path);
  const { nll } = JSON.parse(readFileSync(join(path, "golden.json"), "utf8")) as {
    nll: { text: string; ids: number[] }[];
  };
  for (const { text, ids } of nll) {
    assert.deepEqual(stories.encode(text), ids);
    assert.equal(stories.decode(ids, { skipSpecialTokens: true }), text);
    assert.deepEqual(stories.encode(text, { addSpecialTokens: false }), ids.slice(1), "bos is the folder's doing");
    assert.deepEqual(stories.encode(`<s>${text}`)[0], 1);
    assert.notEqual(stories.encode(`<s>${text}`)[1], 1, "bos once, even if the text brings its own");
  }
});

test("decode ∘ encode is the identity on any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
    }),
    { numRuns: 300 },
  );
});

test("spaces before punctuation survive decoding", () => {
  assert.equal(tokenizer.decode(tokenizer.encode("a , b . c 's")), "a , b . c 's");
});

test("decode: nothing for no ids, unused ids, and skipped special tokens", () => {
  const ids = tokenizer.encode("hi<|im_end|>");
  assert.equal(tokenizer.decode([]), "");
  assert.equal(tokenizer.decode([9999]), "");
  assert.equal(tokenizer.decode([...ids, 9999]), "hi<|im_end|>");
  assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), "hi");
});

test("the special tokens and sizes", () => {
  const { bosId, eosId, eosToken, padId, vocabSize, hasChatTemplate } = tokenizer;
  assert.deepEqual(
    { bosId, eosId, eosToken, padId, vocabSize, hasChatTemplate },
    { bosId: undefined, eosId: 422, eosToken: "<|im_end|>", padId: 420, vocabSize: 423, hasChatTemplate: true },
  );
  const objects = variant({ eos_token: { content: "<|im_end|>", lstrip: false }, pad_token: null });
  assert.deepEqual([objects.eosId, objects.padId], [422, undefined]);
  checkTokenIds([0, 422], 423, "x");
  refused(
    () => checkTokenIds([0, 422], 422, "rows.jsonl:3"),
    /rows.jsonl:3: token id 422 is outside of the model's vocabulary of 422/,
  );
  refused(() => checkTokenIds([-1], 4, "ids"), /token id -1/);
  refused(() => checkTokenIds([1.5], 4, "ids"), /token id 1.5/);
});

test("a template is found in its file, in the config, or in the config's list", () => {
  const messages = [{ role: "user", content: "hi" }];
  const inline = "{% for m in messages %}[{{ m.content }}]{% endfor %}";
  assert.equal(variant({ chat_template: inline }).renderChat(messages), "[hi]");
  assert.equal(
    variant({
      chat_template: [
        { name: "tool_use", template: "no" },
        { name: "default", template: inline },
      ],
    }).renderChat(messages),
    "[hi]",
  );
  assert.equal(variant({ chat_template: inline }, "file {{ messages[0].role }}").renderChat(messages), "file user");
});

test("templates get what transformers gives them, and blocks leave no line behind", () => {
  const template = [
    "{{ bos_token }}",
    "  {% if tools is none and not custom %}",
    "none{% for i in range(2, 6, 2) %} {{ i }}{% endfor %}.",
    "  {% endif %}",
    "{{ strftime_now('%d %b %Y %%') }}{% if add_generation_prompt %}>{% endif %}",
  ].join("\n");
  const loaded = variant({ bos_token: "<|im_start|>" }, template);
  const now = new Date(2026, 1, 3);
  assert.equal(loaded.renderChat([], { now }), "<|im_start|>\nnone 2 4.\n03 Feb 2026 %");
  assert.equal(
    loaded.renderChat([], { now, addGenerationPrompt: true, variables: { custom: true } }),
    "<|im_start|>\n03 Feb 2026 %>",
  );
});

test("templates that go on without end are stopped", () => {
  const refuses = (template: string, pattern: RegExp) =>
    refused(() => variant({}, template).renderChat([{ role: "user", content: "hi" }]), pattern);
  const loops = ["{% for i in range(500) %}", "x", "{% endfor %}"].map((part) => part.repeat(3)).join("");
  refuses(loops, /chat template refuses the conversation: it takes more than \d+ steps/);
  refuses("{% for i in range(1000000000) %}x{% endfor %}", /it takes more than \d+ steps/);
  refuses("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", /chat template refuses the conversation: /);
  const doubled = "{% set x = 'ab' %}{% set x = x ~ x %}".replace(
    "{% set x = x ~ x %}",
    "{% set x = x ~ x %}".repeat(40),
  );
  refuses(`${doubled}{{ x }}`, /chat template refuses the conversation: /);
  refuses(`{% for i in range(300) %}${"ab".repeat(5000)}{% endfor %}`, /it makes more than 2097152 characters/);
  refuses("x".repeat(2 ** 20 + 1), /chat template does not parse: it has 1048577 characters/);
});

test("what cannot be used is refused with one line", () => {
  refused(() => loadTokenizer(join(folder, "absent")), /no such folder/);
  refused(() => loadTokenizer(folder), /holds no tokenizer.json/);
  writeFileSync(join(folder, "tokenizer.model"), "");
  refused(() => loadTokenizer(folder), /tokenizer.model/);
  writeFileSync(join(folder, "tokenizer.json"), "{}");
  refused(() => loadTokenizer(folder), /tokenizer.json: model WordLevel: vocab must be an object, is nothing/);
  refused(() => variant({ chat_template: 3 }), /chat_template must be a text/);
  refused(() => variant({}, "{% if %}"), /chat_template.jinja: chat template does not parse/);
});

test("an id that no vocabulary reaches is refused at once", () => {
  const far = mkdtempSync(join(tmpdir(), "taugrad-tokenizer-"));
  const definition = JSON.parse(readFileSync(goldenPath("preferences", "policy", "tokenizer.json"), "utf8"));
  const [first] = Object.keys(definition.model.vocab);
  const path = join(far, "tokenizer.json");
  const write = (id: number) => {
    definition.model.vocab[first] = id;
    writeFileSync(path, JSON.stringify(definition));
  };
  write(1e9);
  refused(() => loadTokenizer(far), /has a token with id 1000000000; ids end before 16777216/);
  write(definition.model.vocab[Object.keys(definition.model.vocab)[1]]);
  loadTokenizer(far);
  rmSync(far, { recursive: true });
});

test("a template's own refusal, and a missing one, are said in one line", () => {
  refused(
    () => variant({}, "{{ raise_exception('roles must\\nalternate') }}").renderChat([]),
    /refuses the conversation: roles must alternate/,
  );
});

test("a folder without template", () => {
  const loaded = variant({});
  assert.equal(loaded.hasChatTemplate, false);
  refused(() => loaded.renderChat([]), /has no chat template/);
});
