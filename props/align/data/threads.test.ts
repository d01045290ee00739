/** Rows that threads make tokens are those that one thread makes: the same bytes, order, counts, and first error. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rowOf } from "../../../align/data/data.js";
import type { RawRow } from "../../../align/data/files/json.js";
import { KINDS, type KindName } from "../../../align/data/kinds.js";
import type { UnpairedRow } from "../../../align/data/layouts/data-row.js";
import { unpairRows } from "../../../align/data/layouts/unpair.js";
import { emptyReport } from "../../../align/data/report.js";
import { tokenizedRows } from "../../../align/data/threads/tokenized.js";
import { packed } from "../../../align/data/token-record.js";
import { tokenizeAnswers } from "../../../align/data/tokenize.js";
import { heard, loadTokenizer } from "../../../models/text/tokenizer.js";
import { goldenPath } from "../../golden/files.js";
import { tries } from "../../reach.js";

process.env.TAUGRAD_THREADS = "2";
let chats = 0;
const tokenizer = heard(loadTokenizer(goldenPath("preferences", "policy")), () => chats++);

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const says = (role: string) => text.map((content) => [{ role, content, name: "n" }]);
const rowsOf: Readonly<Record<KindName, fc.Arbitrary<unknown>>> = {
  pairs: fc.oneof(
    fc.record({ prompt: text, chosen: text, rejected: text }),
    fc.record({ prompt: says("user"), chosen: says("assistant"), rejected: says("assistant"), extra: fc.nat() }),
  ),
  examples: fc.oneof(fc.record({ text }), fc.record({ instruction: text, output: text })),
  labelled: fc.oneof(
    { weight: 1, arbitrary: fc.record({ prompt: text, completion: text, label: fc.boolean() }) },
    { weight: 20, arbitrary: fc.record({ prompt: text, chosen: text, rejected: text }) },
  ),
};

/** What comes of rows, made in one of the ways: bytes, or an error's message; and what is told of them. */
const outcome = async (lines: readonly string[], kind: KindName, where: "here" | "threads") => {
  const rows = (async function* (): AsyncGenerator<RawRow> {
    for (const [i, line] of lines.entries()) {
      if (line === "end") throw new Error("the file ends badly");
      yield i % 5 === 4 ? { at: `f:${i + 1}`, value: JSON.parse(line) } : { at: `f:${i + 1}`, json: Buffer.from(line) };
    }
  })();
  const report = emptyReport();
  chats = 0;
  const found: unknown[] = [];
  try {
    const options = { maxLength: 40, vocabSize: 1000 };
    for await (const { bytes, ...row } of tokenizedRows(rows, { kind, tokenizer, options }, report, where))
      found.push({ ...row, bytes: Buffer.from(bytes).toString("hex") });
  } catch (error) {
    return (error as Error).message;
  }
  return { found, report, chats: chats > 0 };
};

const wrong = ["{", '{"a": 1}', '{"prompt": [], "chosen": [], "rejected": []}', "end"];

test("threads make of rows what one thread makes of them", () =>
  fc.assert(
    fc.asyncProperty(
      fc
        .constantFrom<KindName>("pairs", "examples", "labelled")
        .chain((kind) =>
          fc.tuple(fc.constant(kind), fc.array(rowsOf[kind], { minLength: 1, maxLength: 200, size: "max" })),
        ),
      fc.array(fc.tuple(fc.nat({ max: 250 }), fc.constantFrom(...wrong)), { maxLength: 1 }),
      async ([kind, rows], faults) => {
        const lines = rows.map((row) => JSON.stringify(row));
        for (const [at, line] of faults)
          if (at < lines.length && (at % 5 !== 4 || line === '{"a": 1}')) lines[at] = line;
        assert.deepEqual(await outcome(lines, kind, "threads"), await outcome(lines, kind, "here"));
      },
    ),
    { numRuns: tries(3) },
  ));

test("pairs as labelled answers are those of unpairRows, one by one", () =>
  fc.assert(
    fc.asyncProperty(fc.array(rowsOf.labelled, { minLength: 1, maxLength: 80, size: "max" }), async (drawn) => {
      const lines = drawn.map((row) => JSON.stringify(row));
      const rows = (async function* () {
        for (const [i, line] of lines.entries()) yield rowOf({ at: `f:${i + 1}`, json: Buffer.from(line) });
      })();
      const answers: UnpairedRow[] = [];
      for await (const row of unpairRows(rows)) answers.push(row as UnpairedRow);
      const { sequences, report } = tokenizeAnswers(answers, tokenizer, { maxLength: 40, vocabSize: 1000 });
      const want = sequences.map((row) => Buffer.from(packed(row, KINDS.labelled.form).bytes).toString("hex"));
      const got = await outcome(lines, "labelled", "here");
      assert.ok(typeof got === "object");
      assert.deepEqual(
        got.found.map((row) => (row as { readonly bytes: string }).bytes),
        want,
      );
      const named = { droppedAt: [], truncatedAt: [] }; // by row, and not by answer
      assert.deepEqual({ ...got.report, ...named }, { ...report, ...named });
    }),
    { numRuns: tries(3) },
  ));
