/** Laws of the files of rows that a visitor brings: every way of writing them down is read alike, and the rest is refused by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { InputError } from "../../core/index.js";
import { loadTokenizer } from "../../models/index.js";
import type { LossName } from "../../page/model/losses.js";
import { taughtBy } from "../../page/model/rows.js";
import { goldenPath } from "../golden/files.js";
import { tries } from "../reach.js";

const tokenizer = loadTokenizer(goldenPath("preferences", "sft"));
const taught = (content: string | Uint8Array<ArrayBuffer>, name: string, loss: LossName) =>
  taughtBy(new File([content], name), loss, tokenizer, { maxLength: 64, vocabSize: tokenizer.vocabSize });

const word = fc.string({ unit: fc.constantFrom("a", "b", "é", '"', "\n"), minLength: 1, maxLength: 6 });
const pair = fc.record({ prompt: word, chosen: word, rejected: word });
const user = (content: string) => [{ role: "user", content }];
const assistant = (content: string) => [{ role: "assistant", content }];

/** The same pairs in other words: the prompt within both answers, or rated one by one, the chosen ones first, as TRL takes pairs apart. */
type Pair = typeof pair extends fc.Arbitrary<infer T> ? T : never;
const chats = (pairs: readonly Pair[]) =>
  pairs.map(({ prompt, chosen, rejected }) => ({
    ...{ prompt: user(prompt), chosen: assistant(chosen), rejected: assistant(rejected) },
  }));
const wholes = (pairs: readonly Pair[]) =>
  pairs.map(({ prompt, chosen, rejected }) => ({
    chosen: [...user(prompt), ...assistant(chosen)],
    rejected: [...user(prompt), ...assistant(rejected)],
  }));
const rated = (pairs: readonly Pair[]) =>
  ([true, false] as const).flatMap((label) =>
    pairs.map(({ prompt, chosen, rejected }) => ({
      ...{ prompt: user(prompt), completion: assistant(label ? chosen : rejected), label },
    })),
  );
const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join("\n");

test("page: rows are read alike as lines, as an array, gzipped, with the prompt in the answers, and for KTO pair by pair or rated", () =>
  fc.assert(
    fc.asyncProperty(fc.array(pair, { minLength: 2, maxLength: 5 }), async (pairs) => {
      const ways = async (
        loss: LossName,
        ...files: readonly (readonly [string | Uint8Array<ArrayBuffer>, string])[]
      ) => {
        const found = [];
        for (const [content, name] of files) found.push((await taught(content, name, loss)).batches(2).at(0));
        for (const one of found) assert.deepEqual({ ...one, rowIds: [] }, { ...found[0], rowIds: [] });
      };
      const [plain, whole] = [chats(pairs), wholes(pairs)];
      const zipped = (text: string) => new Uint8Array(gzipSync(text));
      await ways(
        "sigmoid",
        ...([
          [lines(plain), "a.jsonl"],
          [`\ufeff${JSON.stringify(plain, null, 1)}`, "a.json"],
        ] as const),
        ...([
          [zipped(lines(plain)), "a.jsonl.gz"],
          [lines(whole), "a.txt"],
        ] as const),
      );
      await ways(
        "kto",
        [lines(plain), "a.jsonl"],
        [lines(rated(pairs)), "b.jsonl"],
        [zipped(JSON.stringify(whole)), "c.json.gz"],
      );
    }),
    { numRuns: tries(5) },
  ));

const PAIR = { prompt: "a", chosen: "b", rejected: "c" };
const RATED = { prompt: "a", completion: "b", label: true };
const REFUSED: readonly (readonly [string | Uint8Array<ArrayBuffer>, string, LossName, RegExp])[] = [
  ["prompt,chosen,rejected\na,b,c\n", "rows.csv", "sigmoid", /^rows\.csv: is not read here; take JSON lines/],
  ["PAR1", "rows.parquet", "kto", /^rows\.parquet: is not read here; take JSON lines/],
  ["no gzip", "rows.jsonl.gz", "sigmoid", /^rows\.jsonl\.gz: is no gzip file, is cut off, or has several parts \(/],
  [
    new Uint8Array(gzipSync(lines([PAIR, PAIR])).subarray(0, 30)),
    "a.gz",
    "ipo",
    /^a\.gz: is no gzip file, is cut off, or has several parts \(/,
  ],
  [new Uint8Array(gzipSync("\n".repeat(2 ** 23))), "bomb.json.gz", "sigmoid", /^bomb\.json\.gz: .* bomb/],
  [lines([RATED]), "rows.jsonl", "sigmoid", /^rows\.jsonl:1: is a labelled answer .*, expected a preference pair/],
  [
    lines([{ prompt: "a", completion: "b" }]),
    "rows.jsonl",
    "kto",
    /^rows\.jsonl:1: is an instruction .*, expected a labelled/,
  ],
  [lines([{ ...RATED, label: "good" }]), "rows.jsonl", "kto", /^rows\.jsonl:1: "label" must be true or false/],
  ["[]", "none.json", "kto", /^none\.json: holds no rows$/],
  ["\n\n", "blank.jsonl", "sigmoid", /^blank\.jsonl: holds no rows$/],
  [
    lines([{ ...PAIR, prompt: "a".repeat(500) }]),
    "a.jsonl",
    "sigmoid",
    /^a\.jsonl: holds no rows that fit into 64 tokens$/,
  ],
  [lines([RATED]), "one.jsonl", "kto", /^one\.jsonl: holds one row that is learned, and KTO needs two/],
  [lines([RATED]), "two\nlines.jsonl", "sigmoid", /^two lines\.jsonl:1: is a labelled answer/],
  ["", "two\nlines.csv", "sigmoid", /^two lines\.csv: is not read here/],
];

test("page: files that hold other rows, or hold them otherwise, are refused in a line", async () => {
  for (const [content, name, loss, said] of REFUSED)
    await assert.rejects(taught(content, name, loss), (error: Error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, said);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
});
