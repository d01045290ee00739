import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { readRows, rowsOfKind } from "../../../align/data/data.js";
import type { Row } from "../../../align/data/layouts/data-row.js";
import type { Sequence } from "../../../align/data/sequence.js";
import { tokenizeAnswers, tokenizeExamples, tokenizePairs } from "../../../align/data/tokenize.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { goldenJson, goldenPath } from "../../golden/files.js";
import { refused } from "../../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-tokenize-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const tokenizer = loadTokenizer(goldenPath("preferences", "base"));
const preferences = (name: string): Promise<Row[]> => readRows(goldenPath("preferences", name));

const rowsFrom = (text: string): Promise<Row[]> => {
  const file = join(folder, "rows.jsonl");
  writeFileSync(file, text);
  return readRows(file);
};

interface Trl {
  losses: { data: string; token_ids: number[][] | null }[];
  kto: { data: string; completion_ids: number[][] }[];
}
const trl = goldenJson<Trl>("preferences", "trl.json");

/** A batch's rows as TRL pads them: to the longest row. */
const padded = (sequences: readonly Sequence[]): number[][] => {
  const longest = Math.max(...sequences.map(({ ids }) => ids.length));
  return sequences.map(({ ids }) => [...ids, ...new Array<number>(longest - ids.length).fill(420)]);
};

test("preference pairs give TRL's token ids, text and conversations", async () => {
  const checked = new Set<string>();
  for (const { data, token_ids: expected } of trl.losses) {
    if (expected === null) continue;
    const { pairs, report } = tokenizePairs(rowsOfKind(await preferences(data), "paired").slice(0, 8), tokenizer, {
      maxLength: 128,
    });
    assert.deepEqual(
      padded([...pairs.map((pair) => pair.chosen), ...pairs.map((pair) => pair.rejected)]),
      expected,
      data,
    );
    assert.deepEqual(
      [report.sequences, report.truncated, report.promptMismatches, report.withoutCompletion],
      [16, 0, 0, 0],
    );
    checked.add(data);
  }
  assert.deepEqual([...checked].sort(), ["chat.jsonl", "plain.jsonl"]);
});

test("labelled answers give TRL's token ids", async () => {
  for (const { data, completion_ids: expected } of trl.kto) {
    const rows = rowsOfKind(await preferences(data), "unpaired").slice(0, expected.length);
    const { sequences } = tokenizeAnswers(rows, tokenizer);
    assert.deepEqual(padded(sequences), padded(expected.map((ids) => ({ ids, completionStart: 0 }))), data);
  }
});

test("the completion is what follows the prompt: answer and end token for text, answer and closing for chat", async () => {
  const completions = async (name: string) => {
    const rows = rowsOfKind(await preferences(name), "paired");
    const { pairs } = tokenizePairs(rows, tokenizer);
    return pairs.flatMap(({ chosen, rejected }, i) => [
      [tokenizer.decode(chosen.ids.slice(chosen.completionStart)), rows[i].chosen] as const,
      [tokenizer.decode(rejected.ids.slice(rejected.completionStart)), rows[i].rejected] as const,
    ]);
  };
  for (const [decoded, answer] of await completions("plain.jsonl"))
    assert.equal(decoded, `${answer as string}<|im_end|>`);
  for (const [decoded, answer] of await completions("chat.jsonl")) {
    assert.ok(typeof answer !== "string");
    assert.equal(decoded, `${answer[0].content}<|im_end|>\n`);
  }
});

test("the end token is appended once, and merges across the prompt's border are kept and counted", () => {
  const pair = (prompt: string, chosen: string) =>
    tokenizePairs([{ kind: "paired", at: "x:1", prompt, chosen, rejected: "z" }], tokenizer);
  assert.deepEqual(pair("a", "b<|im_end|>").pairs[0].chosen.ids, pair("a", "b").pairs[0].chosen.ids);
  // " planets" is one token, " " another: the prompt's last token is not a prefix of the whole.
  const { pairs, report } = pair("Lin has 5 ", "planets");
  assert.deepEqual(pairs[0].chosen.ids, tokenizer.encode("Lin has 5 planets<|im_end|>"));
  assert.equal(pairs[0].chosen.completionStart, tokenizer.encode("Lin has 5 ").length);
  assert.equal(report.promptMismatches, 1);
});

test("documents carry the loss everywhere, instructions on the answer", async () => {
  const rows = rowsOfKind(
    await rowsFrom(
      [
        '{"text":"Ada has 5 keys"}',
        '{"messages":[{"role":"user","content":"a"}]}',
        '{"prompt":"a\\n","completion":"b"}',
      ].join("\n"),
    ),
    "document",
    "completion",
  );
  const { sequences, report } = tokenizeExamples(rows, tokenizer);
  const at = (line: number) => `${join(folder, "rows.jsonl")}:${line}`;
  assert.deepEqual(sequences.slice(0, 2), [
    { ids: tokenizer.encode("Ada has 5 keys<|im_end|>"), completionStart: 0, at: at(1) },
    { ids: tokenizer.encodeChat([{ role: "user", content: "a" }]), completionStart: 0, at: at(2) },
  ]);
  assert.equal(sequences[2].completionStart, tokenizer.encode("a\n").length);
  assert.equal(
    report.tokens,
    sequences.reduce((sum, { ids }) => sum + ids.length, 0),
  );
  assert.equal(report.completionTokens, sequences[0].ids.length - 1 + sequences[1].ids.length - 1 + 2);
});

test("truncation keeps one end, moves the border with it, and is counted", async () => {
  const rows = rowsOfKind(await preferences("plain.jsonl"), "paired").slice(0, 6);
  const whole = tokenizePairs(rows, tokenizer).pairs;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.constantFrom<"keep_start" | "keep_end">("keep_start", "keep_end"),
      (maxLength, truncationMode) => {
        const { pairs, report } = tokenizePairs(rows, tokenizer, { maxLength, truncationMode });
        const stay = whole.filter(({ chosen }) => truncationMode === "keep_end" || chosen.completionStart < maxLength);
        assert.equal(pairs.length, stay.length);
        const cut = { dropped: whole.length - stay.length, sequences: 0, tokens: 0, empty: 0 };
        pairs.forEach((pair, i) => {
          for (const side of ["chosen", "rejected"] as const) {
            const [before, after] = [stay[i][side], pair[side]];
            const marked = before.ids.map((id, t) => [id, t >= before.completionStart ? 1 : 0]);
            const kept = truncationMode === "keep_start" ? marked.slice(0, maxLength) : marked.slice(-maxLength);
            assert.deepEqual(
              after.ids.map((id, t) => [id, t >= after.completionStart ? 1 : 0]),
              kept,
            );
            if (kept.length < marked.length) cut.sequences++;
            cut.tokens += marked.length - kept.length;
            if (!kept.slice(1).some(([, mark]) => mark === 1)) cut.empty++;
          }
        });
        const { dropped, truncated: sequences, tokensCut: tokens, withoutCompletion: empty } = report;
        assert.deepEqual({ dropped, sequences, tokens, empty }, cut);
      },
    ),
    { numRuns: 60 },
  );
});

test("rows whose prompt alone fills the length are left out: as many stay as in TRL 1.13, pairs and instructions", async () => {
  const staying = { "plain.jsonl": { 12: 25, 14: 28, 16: 37, 20: 61, 24: 62 }, "chat.jsonl": { 52: 0, 56: 0, 60: 25 } };
  for (const [data, byLength] of Object.entries(staying)) {
    const rows = rowsOfKind(await preferences(data), "paired");
    const instructions = rows.map(({ prompt, chosen, at }) => ({
      ...{ kind: "completion" as const, at, prompt, completion: chosen },
    }));
    for (const [length, count] of Object.entries(byLength)) {
      const options = { maxLength: Number(length) };
      const { pairs, report } = tokenizePairs(rows, tokenizer, options);
      assert.deepEqual([pairs.length, report.dropped], [count, 64 - count], `${data}, ${length}`);
      const examples = tokenizeExamples(instructions, tokenizer, options);
      assert.deepEqual([examples.sequences.length, examples.report.dropped], [count, 64 - count]);
    }
    assert.equal(tokenizePairs(rows, tokenizer).pairs.length, 64);
  }
});

test("what cannot be tokenized is refused by row", async () => {
  const rows = rowsOfKind(await preferences("chat.jsonl"), "paired");
  refused(
    () => tokenizePairs(rows, tokenizer, { vocabSize: 422 }),
    /chat.jsonl:1: token id 422 is outside of the model's vocabulary of 422/,
  );
  copyFileSync(goldenPath("preferences", "base", "tokenizer.json"), join(folder, "tokenizer.json"));
  const bare = loadTokenizer(folder);
  refused(() => tokenizePairs(rows, bare), /chat.jsonl:1: .*no chat template/);
  const plain = rowsOfKind(await preferences("plain.jsonl"), "paired");
  refused(() => tokenizePairs(plain, bare), /plain.jsonl:1: .*end token/);
});
