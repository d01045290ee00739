/** Which chat template a run trains with, and saves. */
import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resolveValues } from "../../../cli/config.js";
import type { Output } from "../../../cli/output.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { trainingTokenizer } from "../../../run/parts/chat-template.js";
import { goldenPath } from "../../golden/files.js";
import { scratch } from "../cli.js";

const policy = goldenPath("preferences", "policy");
const template = readFileSync(join(policy, "chat_template.jinja"), "utf8");
const bare = join(scratch(), "bare");
cpSync(policy, bare, { recursive: true });
rmSync(join(bare, "chat_template.jinja"));

const prompt = [
  { role: "system", content: "Be kind." },
  { role: "user", content: "Hi" },
];
const said: string[] = [];
const out: Output = {
  json: false,
  call: [],
  note: (line) => said.push(line),
  start: () => {},
  wait: () => {},
  flag: (key) => key,
  result: () => {},
};
const trainedWith = async (model: string, more: Readonly<Record<string, string>> = {}) => {
  const keys = { model_name_or_path: model, dataset_name: "d", output_dir: "o", ...more };
  return trainingTokenizer(await resolveValues("sft", new Map(Object.entries(keys)) as never), out);
};

test("a model's own chat template is used, and need not be saved anew", async () => {
  const { tokenizer, chatTemplate } = await trainedWith(policy);
  assert.deepEqual(tokenizer.encodeChat(prompt), loadTokenizer(policy).encodeChat(prompt));
  assert.deepEqual([chatTemplate(), said], [undefined, []]);
});

test("chat_template_path takes a Jinja file, or a model folder's", async () => {
  for (const path of [policy, join(policy, "chat_template.jinja")]) {
    const { tokenizer, chatTemplate } = await trainedWith(bare, { chat_template_path: path });
    assert.equal(chatTemplate(), template);
    assert.deepEqual(tokenizer.encodeChat(prompt), loadTokenizer(policy).encodeChat(prompt));
  }
  await assert.rejects(
    trainedWith(bare, { chat_template_path: join(bare, "none.jinja") }),
    /none\.jinja: no such file/,
  );
});

test("without any, conversations get a plain one, which is told once and saved only if it was used", async () => {
  const { tokenizer, chatTemplate } = await trainedWith(bare);
  tokenizer.encode("plain text");
  assert.deepEqual([chatTemplate(), said], [undefined, []]);
  const opened = tokenizer.encodeChat(prompt, { addGenerationPrompt: true });
  const { eosToken } = tokenizer;
  assert.equal(tokenizer.decode(opened).replace(/^<[^>]*>/, ""), "Be kind.\nHuman: Hi\nAssistant:");
  const whole = tokenizer.encodeChat([...prompt, { role: "assistant", content: "Hello" }]);
  assert.deepEqual(whole.slice(0, opened.length), opened, "the prompt is how the conversation begins");
  assert.equal(tokenizer.decode(whole.slice(opened.length)), ` Hello${eosToken}\n`);
  assert.match(said.join("|"), /^note: \S+bare has no chat template; [^|]*$/);
  const saved = loadTokenizer(bare, { chatTemplate: { text: chatTemplate() as string, path: "saved" } });
  assert.deepEqual(saved.encodeChat(prompt), tokenizer.encodeChat(prompt));
});
