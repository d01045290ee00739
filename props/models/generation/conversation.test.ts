/** Turns with a model: what is kept changes no answer, nothing is lost in silence, and nothing is left behind. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Device, InputError } from "../../../core/index.js";
import { type Conversation, conversation } from "../../../models/generation/conversation.js";
import { generator } from "../../../models/generation/generate.js";
import { continueTexts } from "../../../models/generation/texts.js";
import { tinyConfig, tinyModel } from "../../generators/tiny-models.js";
import { byteLevelTokenizer } from "../../generators/tokenizers.js";
import { check, law } from "../../law.js";

/** Turns as they are; or with what an answer thought before "é" forgotten, so that a rendering is no prefix of the next. */
const TURN = "{{ m.content }}{% if m.role == 'assistant' %}<|end|>{% endif %}\n";
const PLAIN = `<s>{% for m in messages %}${TURN}{% endfor %}`;
const FORGETS = `<s>{% for m in messages %}${TURN.replace("m.content", "m.content.split('é')[-1]")}{% endfor %}`;
const REFUSES = `{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}${PLAIN}`;

const made = new Map<string, ReturnType<typeof speakingWith>>();
const speakingWith = (device: Device, template: string) => {
  const tokenizer = byteLevelTokenizer(template);
  const config = tinyConfig({ vocab_size: tokenizer.vocabSize, max_position_embeddings: 96 });
  return { go: generator(config, device), speaker: { ...tinyModel(config, device), tokenizer } };
};
const speaking = (device: Device, template: string) => {
  const key = device.name + template;
  const found = made.get(key) ?? speakingWith(device, template);
  made.set(key, found);
  return found;
};

const hear = async (talk: Conversation, text: string): Promise<{ answer: string; end: string | undefined }> => {
  let [answer, end]: [string, string | undefined] = ["", undefined];
  for await (const token of talk.say(text)) [answer, end] = [answer + token.text, token.end];
  return { answer, end };
};

const texts = fc.array(fc.constantFrom("a", " ", "é", "€"), { minLength: 1, maxLength: 5 }).map((all) => all.join(""));
const talks = fc.record({
  template: fc.constantFrom(PLAIN, FORGETS),
  system: fc.option(texts, { nil: undefined }),
  turns: fc.array(texts, { minLength: 2, maxLength: 3 }),
  seed: fc.nat(99),
});

law(
  "an answer is what the whole conversation, rendered and read anew, is answered with",
  talks,
  async ({ template, system, turns, seed }, device) => {
    const { go, speaker } = speaking(device, template);
    const options = { maxNewTokens: 7, temperature: 1.5, seed, eosIds: [1] };
    const talk = conversation(go, speaker, { ...options, system });
    for (const text of turns) {
      const asked = [...talk.messages(), { role: "user", content: text }];
      const { answer } = await hear(talk, text);
      assert.deepEqual(talk.messages(), [...asked, { role: "assistant", content: answer }]);
      const ids = speaker.tokenizer.encodeChat(asked, { addGenerationPrompt: true });
      const [anew] = await continueTexts(go, speaker, [ids], options);
      assert.equal(answer, anew.text.trimStart());
    }
    assert.equal(talk.messages()[0].role, system === undefined ? "user" : "system");
    const said = talk.messages().filter(({ role }) => role !== "system");
    const [before, [last]] = [said.slice(0, -2), said.slice(-2)];
    const again = conversation(go, speaker, { ...options, system, turns: before });
    const { answer } = await hear(again, last.content as string);
    assert.deepEqual(again.messages(), talk.messages(), `gone on with, it answers ${answer}`);
    again.free();
    talk.free();
  },
  { effort: 0.12 },
);

check("an answer that is left early stays as far as it came; reset and another system message", async (device) => {
  const { go, speaker } = speaking(device, PLAIN);
  const options = { maxNewTokens: 20, eosIds: [], temperature: 2, seed: 4 };
  const whole = conversation(go, speaker, options);
  const { answer, end } = await hear(whole, "a");
  assert.equal(end, "length");
  whole.free();
  const before = device.stats().liveBuffers;
  const talk = conversation(go, speaker, options);
  let [heard, count] = ["", 0];
  for await (const { text } of talk.say("a")) {
    heard += text;
    if (++count === 12) break;
  }
  assert.ok(answer.startsWith(heard) && heard.length > 0 && heard.length < answer.length);
  assert.deepEqual(talk.messages(), [
    { role: "user", content: "a" },
    { role: "assistant", content: heard },
  ]);
  talk.setSystem("é");
  assert.deepEqual(talk.messages()[0], { role: "system", content: "é" });
  talk.reset();
  assert.deepEqual(talk.messages(), [{ role: "system", content: "é" }]);
  talk.setSystem(undefined);
  assert.equal((await hear(talk, "a")).answer, answer);
  talk.free();
  assert.equal(device.stats().liveBuffers, before);
});

check(
  "a full context is told, and nothing is dropped",
  async (device) => {
    const { go, speaker } = speaking(device, PLAIN);
    const talk = conversation(go, speaker, { maxNewTokens: 200, eosIds: [], greedy: true });
    const { end } = await hear(talk, "a".repeat(90));
    assert.equal(end, "context");
    const before = talk.messages();
    await assert.rejects(hear(talk, "aaaaaaaa"), (error) => {
      assert.ok(error instanceof InputError);
      return /context is full: the conversation has \d+ tokens with this turn, the model sees 96/.test(error.message);
    });
    assert.deepEqual(talk.messages(), before);
    talk.free();
  },
  ["cpu"],
);

check(
  "a template that takes no system message says so, and what was set stays",
  async (device) => {
    const { go, speaker } = speaking(device, REFUSES);
    const options = { maxNewTokens: 3, eosIds: [] };
    assert.throws(() => conversation(go, speaker, { ...options, system: "a" }), /no system here/);
    const talk = conversation(go, speaker, options);
    assert.throws(() => talk.setSystem("a"), /no system here/);
    await hear(talk, "a");
    assert.equal(talk.messages().length, 2);
    talk.free();
  },
  ["cpu"],
);
