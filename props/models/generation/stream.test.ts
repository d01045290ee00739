/** A stream of tokens is what the call at once gives, leaves nothing behind, and may go on from what is known. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Device, dispose, evaluate, InputError, read, tensor } from "../../../core/index.js";
import { type Generator, generator } from "../../../models/generation/generate.js";
import { keptCache } from "../../../models/generation/kept-cache.js";
import { argmax } from "../../../models/generation/sample.js";
import {
  continueTexts,
  type Speaker,
  type StreamedToken,
  streamText,
  streamTokens,
} from "../../../models/generation/texts.js";
import { logits } from "../../../models/head.js";
import { ropeReach } from "../../../models/layer-kinds.js";
import { hiddenStates } from "../../../models/transformer.js";
import { idRows, tinyConfig, tinyConfigs, tinyModel } from "../../generators/tiny-models.js";
import { byteLevelTokenizer } from "../../generators/tokenizers.js";
import { check, law } from "../../law.js";

const tokenizer = byteLevelTokenizer();
const config = tinyConfig({ vocab_size: tokenizer.vocabSize });

interface Speaking {
  readonly go: Generator;
  readonly speaker: Speaker;
}
const speaking = new Map<Device, Speaking>();
/** One model a device, its programs kept: building them is what takes time. */
const on = (device: Device): Speaking => {
  const made = speaking.get(device) ?? {
    go: generator(config, device),
    speaker: { ...tinyModel(config, device), tokenizer },
  };
  speaking.set(device, made);
  return made;
};

const collect = async (stream: AsyncIterable<StreamedToken>): Promise<StreamedToken[]> => {
  const all: StreamedToken[] = [];
  for await (const token of stream) all.push(token);
  return all;
};

const cases = fc.record({
  prompts: idRows(config, { min: 1, max: 3 }, 14),
  stop: fc.uniqueArray(fc.constantFrom("a", "é", " b", "\n", "€a", "😀", "b b", "<|end|>"), { maxLength: 2 }),
  sampling: fc.constantFrom(
    { greedy: true },
    { topP: 0.9, minP: 0.02 },
    { topK: 12, typicalP: 0.95 },
    { temperature: 2 },
  ),
  seed: fc.nat(1000),
});

law(
  "a stream's tokens and text are those of the call at once, alone or in a batch, with any seed and stop strings",
  cases,
  async ({ prompts, stop, sampling, seed }, device) => {
    const { go, speaker } = on(device);
    const options = { ...sampling, seed, stop, maxNewTokens: 12, eosIds: [3] };
    const streams = prompts.map(() => 0);
    const together = await continueTexts(go, speaker, prompts, { ...options, streams });
    for (const [i, prompt] of prompts.entries()) {
      const told = await collect(streamText(go, speaker, prompt, options));
      const { ids, text, end } = together[i];
      assert.deepEqual(
        told.map(({ token }) => token),
        ids.slice(prompt.length),
      );
      assert.equal(told.map((part) => part.text).join(""), text);
      assert.equal(told.at(-1)?.end, end);
      assert.ok(told.slice(0, -1).every((part) => part.end === undefined));
      // By definition: all tokens decoded at once, and cut before the first stop string.
      const whole = tokenizer.decode(ids, { skipSpecialTokens: true });
      assert.ok(
        stop.every((one) => !text.includes(one)),
        text,
      );
      if (end !== "stop") assert.ok(whole.endsWith(text));
    }
  },
  { effort: 0.2 },
);

check("leaving a stream early, and aborting it, frees what it held", async (device) => {
  const { go, speaker } = on(device);
  const options = { maxNewTokens: 12, eosIds: [], temperature: 2 };
  const keep = async () => {
    const kept = keptCache();
    for (const prompt of [[2, 3], [2, 3, 4, 5], [7]])
      await collect(streamText(go, speaker, prompt, { ...options, kept }));
    kept.free();
  };
  await keep(); // everything is built
  const before = device.stats().liveBuffers;
  await keep();
  assert.equal(device.stats().liveBuffers, before);
  for await (const { token } of streamText(go, speaker, [2, 3], options)) if (token >= 0) break;
  assert.equal(device.stats().liveBuffers, before);
  const [abort, reason] = [new AbortController(), new Error("enough")];
  let count = 0;
  const aborted = async () => {
    for await (const _ of streamText(go, speaker, [2, 3], { ...options, signal: abort.signal }))
      if (++count === 3) abort.abort(reason);
  };
  await assert.rejects(aborted(), (error) => error === reason);
  assert.equal(count, 3);
  await assert.rejects(collect(streamText(go, speaker, [2], { ...options, stop: ["a", ""] })), InputError);
  const once = await collect(streamTokens(speaker, device, [2, 3], options));
  assert.equal(once.length, 12);
  assert.equal(device.stats().liveBuffers, before);
});

check(
  "a stream lets what else waits in the process have its turn",
  async (device) => {
    const { go, speaker } = on(device);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), 50);
    const options = { maxNewTokens: 100_000, eosIds: [], signal: abort.signal, greedy: true };
    const slots = { ...options, maxNewTokens: 5_000 };
    await assert.rejects(collect(streamText(go, speaker, [2, 3], slots)), { name: "AbortError" });
    clearTimeout(timer);
  },
  ["cpu"],
);

/** Prompts of which each goes on from the text before it, parts from it, or has nothing to do with it. */
type Turns = readonly { readonly keep: number; readonly more: readonly number[] }[];
const turns: fc.Arbitrary<Turns> = fc.array(
  fc.record({
    keep: fc.constantFrom(0, 1, 0.5),
    more: fc.array(fc.nat(config.vocabSize - 1), { minLength: 1, maxLength: 24 }),
  }),
  { minLength: 2, maxLength: 4 },
);

/** Are a continuation's greedy tokens the likeliest by the whole text, computed anew? */
const areLikeliest = async ({ config, params }: Speaker, text: readonly number[], from: number, device: Device) => {
  const ids = tensor(Int32Array.from(text), [1, text.length]);
  const scores = evaluate(logits(params, config, hiddenStates(params, config, ids)), device);
  const all = Float64Array.from(await read(scores));
  dispose(scores);
  for (let at = from; at < text.length; at++) {
    const own = all.subarray((at - 1) * config.vocabSize, at * config.vocabSize);
    // In f32 the other one of two equally good tokens may win.
    const slack = device.name === "reference" ? 1e-12 : 1e-4;
    assert.ok(own[text[at]] >= own[argmax(own)] - slack, `token ${at} of ${text}`);
  }
};

/** Tokens that answer each turn. */
const NEW = 4;

const holds = async (given: Turns, { go, speaker }: Speaking, device: Device): Promise<void> => {
  const kept = keptCache();
  let text: number[] = [];
  for (const { keep, more } of given) {
    const prompt = [...text.slice(0, Math.floor(keep * text.length)), ...more];
    text = [...prompt];
    for await (const { id } of go.stream(speaker.params, prompt, { maxNewTokens: NEW, greedy: true, eosIds: [], kept }))
      text.push(id);
    await areLikeliest(speaker, text, prompt.length, device);
  }
  kept.free();
};

law(
  "a kept cache serves whatever comes next: its tokens are the likeliest by the whole text",
  turns,
  (given, device) => holds(given, on(device), device),
  { effort: 0.15 },
);

law(
  "a kept cache serves every family",
  fc.tuple(turns, tinyConfigs()),
  async ([given, config], device) => {
    // Past longrope's original length a generation is refused by name.
    fc.pre(given.reduce((all, { more }) => all + more.length + NEW, 0) <= ropeReach(config));
    const made = { go: generator(config, device), speaker: { ...tinyModel(config, device), tokenizer } };
    await holds(given, made, device);
    made.go.free();
    dispose(made.speaker.params);
  },
  { effort: 0.25, on: ["reference", "cpu"] },
);
