/** assistant_only_loss: what the template's generation marks is learned, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { collate } from "../../../align/data/batch.js";
import { collateSegments } from "../../../align/data/packing/segments.js";
import { learnedSpans, part, type Sequence, targetsIn } from "../../../align/data/sequence.js";
import { storeRows } from "../../../align/data/token-file.js";
import { packed } from "../../../align/data/token-record.js";
import { tokenizeExamples } from "../../../align/data/tokenize.js";
import { InputError } from "../../../core/errors.js";
import { loadTokenizer } from "../../../models/index.js";
import { goldenPath } from "../../golden/files.js";

const folder = goldenPath("preferences", "sft");
const marked = loadTokenizer(folder, {
  chatTemplate: {
    path: "marked",
    text: [
      "{% for m in messages %}<|im_start|>{{ m.role }}\n",
      "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}",
      "{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}",
    ].join(""),
  },
});

const said = fc.string({
  unit: fc.constantFrom("a", "B", " ", "\n", "é", "好", "🤷", "the ", "1", "<|im_end|>"),
  minLength: 1,
  maxLength: 12,
});
const talk = fc.array(fc.tuple(said, said), { minLength: 1, maxLength: 4 });

test("assistant_only_loss: the learned tokens spell what the assistant says, with its end token, and no more", () => {
  fc.assert(
    fc.property(talk, (turns) => {
      const content = turns.flatMap(([user, answer]) => [
        { role: "user", content: user },
        { role: "assistant", content: answer },
      ]);
      const { sequences } = tokenizeExamples([{ kind: "document", content, at: "x:1" }], marked, {
        assistantOnly: true,
      });
      const [sequence] = sequences;
      const learned = learnedSpans(sequence).map(([from, to]) => marked.decode(sequence.ids.slice(from, to)));
      for (const [i, [, answer]] of turns.entries()) {
        // A line break of the template may share a token with one of the answer; such a token is the answer's.
        const extra = answer.startsWith("\n") && learned[i].length > answer.length + "<|im_end|>".length;
        assert.equal(learned[i], `${extra ? "\n" : ""}${answer}<|im_end|>`);
      }
      assert.equal(learned.length, turns.length);
      const { mask } = collate([sequence], { padId: 0 });
      assert.equal(
        mask.reduce((sum, x) => sum + x, 0),
        targetsIn(sequence),
      );
    }),
    { numRuns: 60 },
  );
});

test("assistant_only_loss: a template that marks nothing, text, and nobody who answers are refused by name", () => {
  const plain = loadTokenizer(folder);
  const rows = (content: unknown) => [{ kind: "document", content, at: "x:1" }] as never;
  const refused = (content: unknown, tokenizer: typeof plain, message: RegExp) =>
    assert.throws(
      () => tokenizeExamples(rows(content), tokenizer, { assistantOnly: true }),
      (error) => error instanceof InputError && message.test(error.message),
    );
  const talk = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ];
  refused(talk, plain, /^x:1: assistant_only_loss needs a chat template with \{% generation %\}/);
  refused("text", marked, /^x:1: assistant_only_loss needs conversations/);
  refused(talk.slice(0, 1), marked, /^x:1: assistant_only_loss: the conversation has no turn of the assistant/);
});

test("spans: cut, packed, stored and read again, the same tokens are learned", async () => {
  const sequence: Sequence = {
    ids: [...Array(12).keys()],
    completionStart: 2,
    spans: [
      [0, 4],
      [6, 9],
      [10, 10],
    ],
  };
  const learned = (one: Sequence) => learnedSpans(one).flatMap(([from, to]) => one.ids.slice(from, to));
  assert.deepEqual(learned(sequence), [2, 3, 6, 7, 8]);
  for (let from = 0; from < 12; from++)
    for (let to = from; to <= 12; to++)
      assert.deepEqual(
        learned(part(sequence, from, to)),
        [2, 3, 6, 7, 8].filter((id) => id >= from && id < to),
      );
  const { mask } = collateSegments([{ sequences: [part(sequence, 3, 8), sequence], joined: false }], 20, 0);
  assert.deepEqual(
    [...mask].flatMap((x, i) => (x === 1 ? [i] : [])),
    [3, 4, 7, 8, 11, 12, 13],
  );
  const form = { sequences: (row: Sequence) => [row], row: ([row]: readonly Sequence[]) => row };
  const rows = [sequence, { ids: [5, 6], completionStart: 1 }, { ...sequence, spans: [] }];
  const stored = await storeRows(
    (async function* () {
      for (const row of rows) yield packed(row, form);
    })(),
    form,
  );
  assert.deepEqual(
    rows.map((_, i) => stored.at(i)),
    rows,
  );
  stored.close();
});
