/** Rows as TRL, LLaMA-Factory and well-known data sets lay them out: what each is read as. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COLUMNS } from "../../../align/data/layouts/columns.js";
import { parseRow } from "../../../align/data/layouts/data-row.js";
import { refused } from "../../golden/refused.js";

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });
const asked = [user("Name one tree.")];
const [oak, sky] = [[assistant("Oak.")], [assistant("Sky.")]];
const read = (value: unknown) => {
  const { at: _, ...row } = parseRow(value, "here");
  return row;
};
const pair = { kind: "paired", prompt: asked, chosen: oak, rejected: sky };
const answered = { kind: "completion", prompt: asked, completion: oak };
const textPair = { chosen: "Oak.", rejected: "Sky." };
const wholePair = { chosen: [...asked, ...oak], rejected: [...asked, ...sky] };
const gpt = (value: string) => ({ from: "gpt", value });

/** By the data set or layout: a row, and what it is read as. */
const LAYOUTS: Readonly<Record<string, readonly [row: object, is: object]>> = {
  "TRL, text": [
    { prompt: "The sky is", chosen: " blue.", rejected: " green." },
    { kind: "paired", prompt: "The sky is", chosen: " blue.", rejected: " green." },
  ],
  "TRL, conversations": [{ prompt: asked, chosen: oak, rejected: sky }, pair],
  "TRL, implicit prompt": [wholePair, pair],
  "UltraFeedback binarized": [
    { prompt: "Name one tree.", prompt_id: "a", messages: wholePair.chosen, score_chosen: 8, ...wholePair },
    { ...pair, unused: ["prompt_id", "messages", "score_chosen"] },
  ],
  "UltraFeedback cleaned, a prompt of other words": [
    { source: "s", prompt: "A tree?", "chosen-rating": 5, ...wholePair },
    { ...pair, unused: ["source", "prompt", "chosen-rating"] },
  ],
  "Tülu and Snorkel: the prompt's messages once more in both": [{ prompt: asked, ...wholePair }, pair],
  "answers alone as conversations": [{ prompt: "Name one tree.", chosen: oak, rejected: sky }, pair],
  "conversation as prompt, answers as text": [{ prompt: asked, ...textPair }, pair],
  "Argilla's UltraFeedback": [
    { instruction: "Name one tree.", chosen_response: "Oak.", rejected_response: "Sky." },
    pair,
  ],
  "Intel orca_dpo_pairs": [
    { system: "Be brief.", question: "Name one tree.", ...textPair },
    { ...pair, prompt: [system("Be brief."), ...asked] },
  ],
  "Intel orca_dpo_pairs, no system": [{ system: "", question: "Name one tree.", ...textPair }, pair],
  "Argilla distilabel orca": [
    { system: "Be brief.", input: "Name one tree.", generations: ["Oak.", "Sky."], ...textPair },
    { ...pair, prompt: [system("Be brief."), ...asked], unused: ["generations"] },
  ],
  "truthy-dpo: text with a system prompt": [
    { system: "Be brief.", prompt: "Name one tree.", ...textPair },
    { ...pair, prompt: [system("Be brief."), ...asked] },
  ],
  "LLaMA-Factory alpaca, ranking": [
    { instruction: "Name", input: "one tree.", history: [["a", "b"]], ...textPair },
    { ...pair, prompt: [user("a"), assistant("b"), user("Name\none tree.")] },
  ],
  "LLaMA-Factory sharegpt, ranking": [
    {
      conversations: [{ from: "human", value: "Name one tree." }],
      chosen: gpt("Oak."),
      rejected: gpt("Sky."),
      system: "Be brief.",
    },
    { ...pair, prompt: [system("Be brief."), ...asked] },
  ],
  "Anthropic HH": [
    { chosen: "\n\nHuman: Hi\n\nAssistant: Oak.", rejected: "\n\nHuman: Hi\n\nAssistant: Sky." },
    { kind: "paired", prompt: "\n\nHuman: Hi\n\nAssistant:", chosen: " Oak.", rejected: " Sky." },
  ],
  "KTO, TRL": [
    { prompt: asked, completion: oak, label: false },
    { ...answered, kind: "unpaired", label: false },
  ],
  "KTO, classes 0 and 1": [
    { prompt: asked, completion: oak, label: 1 },
    { ...answered, kind: "unpaired", label: true },
  ],
  "KTO, LLaMA-Factory alpaca": [
    { instruction: "Name one tree.", output: "Oak.", kto_tag: false },
    { ...answered, kind: "unpaired", label: false },
  ],
  "KTO, LLaMA-Factory sharegpt": [
    { conversations: [{ from: "human", value: "Name one tree." }, gpt("Oak.")], kto_tag: true },
    { ...answered, kind: "unpaired", label: true, whole: true },
  ],
  "SFT, TRL prompt and completion": [
    { prompt: "The sky is", completion: " blue." },
    { kind: "completion", prompt: "The sky is", completion: " blue." },
  ],
  UltraChat: [
    { prompt: "Name one tree.", prompt_id: "a", messages: wholePair.chosen },
    { kind: "document", content: wholePair.chosen, unused: ["prompt", "prompt_id"] },
  ],
  OpenOrca: [
    { id: "a", system_prompt: "Be brief.", question: "Name one tree.", response: "Oak." },
    { ...answered, prompt: [system("Be brief."), ...asked], unused: ["id"] },
  ],
  Dolly: [
    { instruction: "Name", context: "one tree.", response: "Oak.", category: "c" },
    { ...answered, prompt: [user("Name\none tree.")], unused: ["category"] },
  ],
  "Alpaca, with its text": [
    { instruction: "Name one tree.", input: "", output: "Oak.", text: "Below is …" },
    { ...answered, unused: ["text"] },
  ],
  GSM8K: [{ question: "Name one tree.", answer: "Oak." }, answered],
  OpenHermes: [
    {
      conversations: [{ from: "human", value: "Name one tree.", weight: null }, gpt("Oak.")],
      system_prompt: null,
      source: "s",
    },
    { kind: "document", content: wholePair.chosen, unused: ["source"] },
  ],
  "IMDB: classes are no labels of KTO": [
    { text: "Oak.", label: 0 },
    { kind: "document", content: "Oak.", unused: ["label"] },
  ],
  "text that is labelled as not wanted": [
    { text: "Sky.", label: false },
    { kind: "document", content: "Sky.", unwanted: true },
  ],
};

for (const [name, [row, is]] of Object.entries(LAYOUTS)) test(`layout: ${name}`, () => assert.deepEqual(read(row), is));

test("a column that no layout knows changes nothing, and is told by name", () => {
  const known = new Set<string>([...Object.values(COLUMNS).flat(), "functions"]);
  const columns = fc.dictionary(
    fc
      .string({ minLength: 1 })
      .filter((name) => name !== "__proto__" && !known.has(name) && !/^(image|video|audio)s?$/.test(name)),
    fc.oneof(fc.string(), fc.boolean(), fc.integer()),
    { minKeys: 1, maxKeys: 3 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(LAYOUTS)), columns, ([row, is], more) => {
      const { unused = [], ...rest } = read({ ...row, ...more });
      const { unused: before = [], ...expected } = is as { unused?: string[] };
      assert.deepEqual(rest, expected);
      assert.deepEqual([...unused].sort(), [...before, ...Object.keys(more)].sort());
    }),
    { numRuns: 60 },
  );
});

test("what would change what is learned, and is not understood, is refused by name", () => {
  const cases: [object, RegExp][] = [
    [{ messages: [...asked, ...oak], images: ["a.png"] }, /here: has "images", which cannot be learned here/],
    [{ messages: [...asked, ...oak], functions: [{ name: "f" }] }, /has "functions".*"tools"/],
    [
      { messages: [{ role: "user", content: [{ type: "image", url: "a" }] }, ...oak] },
      /"messages" message 1 holds a part of type "image"; only text/,
    ],
    [{ messages: [...asked, { ...oak[0], weight: 0 }] }, /message 2 has weight 0/],
    [{ messages: [...asked, { ...oak[0], train: false }] }, /message 2 has train false/],
    [
      { messages: [...asked, { ...oak[0], weight: 0.5 }] },
      /message 2 has weight 0.5, but every answer .* is learned alike/,
    ],
    [{ messages: [...asked, { ...oak[0], train: "false" }] }, /message 2 has train "false", but every answer/],
    [
      {
        conversations: [
          { from: "human", value: "a" },
          { from: "function_call", value: '{"name":"f","arguments":{}}', loss: 0 },
        ],
      },
      /message 2 has loss 0, so it is not to be learned/,
    ],
    [{ messages: [system("a"), ...asked], system: "b" }, /a system prompt in a column of its own and another/],
    [{ messages: [...asked, ...oak], tools: "no JSON" }, /"tools" must be a list of objects/],
    [{ messages: asked, chat_template_kwargs: { messages: [] } }, /"chat_template_kwargs" must not hold "messages"/],
    [{ messages: asked, label: true }, /a labelled conversation needs a prompt and an answer, has 1 message/],
    [{ messages: [...asked, ...asked], label: true }, /the last one of "user"/],
    [{ system: "a", chosen: "b", rejected: "c" }, /has a system prompt, but no prompt/],
    [{ prompt: "a", response: "b" }, /"completion" is missing/],
    [{ instruction: "a", completions: [] }, /"output" is missing/],
  ];
  for (const [row, pattern] of cases) refused(() => read(row), pattern);
  assert.deepEqual(read({ messages: asked, images: [], tools: "[]", weight: 1 }), {
    kind: "document",
    content: asked,
    unused: ["weight"],
  });
});
