/** Which files of a folder are a split, as `load_dataset` tells them. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { readRows } from "../../../align/data/data.js";
import { dataFiles } from "../../../align/data/files/splits.js";
import { goldenPath } from "../../golden/files.js";
import { refused } from "../../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-splits-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;

/** A folder of empty files. */
const holding = (...paths: readonly string[]): string => {
  const root = join(folder, String(folders++));
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  return root;
};

/** Every split of a folder, with its files. */
const splitsOf = (root: string): Record<string, readonly string[]> => {
  const { files, split = "", others = {} } = dataFiles(root, { otherwise: "train", orOnly: true });
  const named = files.map((file) => relative(root, file).replaceAll("\\", "/"));
  return { [split]: named, ...others };
};

/** By what they show: the files, and what datasets 4 makes of them. */
const FOLDERS: Readonly<Record<string, readonly [readonly string[], Readonly<Record<string, readonly string[]>>]>> = {
  "file names": [
    ["train.jsonl", "validation.jsonl", "test.jsonl", "README.md"],
    { train: ["train.jsonl"], validation: ["validation.jsonl"], test: ["test.jsonl"] },
  ],
  "other words for them": [
    ["my_training-1.json", "dev.parquet", "x.eval.jsonl.gz", "notes.jsonl"],
    { train: ["my_training-1.json"], validation: ["dev.parquet"], test: ["x.eval.jsonl.gz"] },
  ],
  "words are whole": [
    ["trainer.jsonl", "retrain.jsonl", "latest.jsonl"],
    { train: ["latest.jsonl", "retrain.jsonl", "trainer.jsonl"] },
  ],
  "data/ below the folder": [
    ["data/train.jsonl", "data/test.jsonl"],
    { train: ["data/train.jsonl"], test: ["data/test.jsonl"] },
  ],
  "shards of the hub": [
    [
      "data/train-00000-of-00002.parquet",
      "data/train-00001-of-00002.parquet",
      "data/test-00000-of-00001.parquet",
      "more.jsonl",
    ],
    {
      train: ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
      test: ["data/test-00000-of-00001.parquet"],
    },
  ],
  "folder names before file names": [
    ["train/test_a.jsonl", "train/b.jsonl", "test/a.jsonl", "train.jsonl"],
    { train: ["train/b.jsonl", "train/test_a.jsonl"], test: ["test/a.jsonl"] },
  ],
  "no words at all: all is train, folders too": [["b.jsonl", "a/c.json"], { train: ["a/c.json", "b.jsonl"] }],
  "what is hidden, and what tells of the data, is none of it": [
    [".train.jsonl", ".cache/train.jsonl", "__pycache__/train.jsonl", "dataset_info.json", "a.jsonl"],
    { train: ["a.jsonl"] },
  ],
};

for (const [name, [files, splits]] of Object.entries(FOLDERS))
  test(`splits: ${name}`, () => assert.deepEqual(splitsOf(holding(...files)), splits));

test("shards have the splits that their names say", () => {
  const root = holding("data/train_sft-00000-of-00001.parquet", "data/test_prefs-00000-of-00001-a1b2.parquet");
  assert.deepEqual(Object.keys(dataFiles(root, { split: "train_sft" }).others ?? {}), ["test_prefs"]);
  refused(() => dataFiles(root), /has no split "train"; it has .*test_prefs.*dataset_train_split/);
});

test("a split that was asked for and is not there is refused; a lone one may stand for it", () => {
  const root = holding("test.jsonl");
  refused(() => dataFiles(root), /has no split "train"; it has test/);
  assert.deepEqual(dataFiles(root, { orOnly: true }).split, "test");
  const file = join(root, "test.jsonl");
  assert.deepEqual(dataFiles(file), { files: [file] });
  refused(() => dataFiles(file, { split: "test" }), /is a file, so it has no split "test"/);
  refused(() => dataFiles(holding("README.md")), /holds no data file/);
});

test("rows in forms that are not read are refused by name, alone and beside others", () => {
  for (const name of ["train.csv", "data/more.tsv", "train.csv.gz", "data-00000-of-00002.arrow"]) {
    refused(() => dataFiles(holding("train.jsonl", name)), /(csv|tsv|csv\.gz|arrow): rows are read from JSONL/);
    refused(() => dataFiles(join(holding(name), name)), /: rows are read from JSONL/);
  }
});

test("case split-files: the train rows alone", async () => {
  for (const place of ["", "data"]) {
    const root = join(folder, `case${place}`);
    cpSync(goldenPath("cases", "split-files", "data"), join(root, place), { recursive: true });
    const rows = await readRows(root);
    assert.deepEqual(
      rows.map((row) => row.kind === "completion" && row.prompt),
      ["train question"],
    );
  }
});

test("what a README declares comes before names: folders, patterns, several of them", () => {
  const root = holding(
    "main/train-0.parquet",
    "main/test-0.parquet",
    "more/train-0.parquet",
    "more/deep/x.json",
    "a[1].json",
  );
  const declared = (folder: string | undefined, splits?: Record<string, readonly string[]>) => {
    const { files, split = "", others = {} } = dataFiles(root, { orOnly: true, declared: { folder, splits } });
    return { [split]: files.map((file) => relative(root, file).replaceAll("\\", "/")), ...others };
  };
  assert.deepEqual(declared("main"), { train: ["main/train-0.parquet"], test: ["main/test-0.parquet"] });
  assert.deepEqual(declared(undefined, { train: ["main/train-*", "more/**"], held: ["main/te?t-[0-9].parquet"] }), {
    train: ["main/train-0.parquet", "more/deep/x.json", "more/train-0.parquet"],
    held: ["main/test-0.parquet"],
  });
  assert.deepEqual(declared("more", { train: ["**/*.json"] }), { train: ["more/deep/x.json"] });
  refused(() => declared(undefined, { train: ["gone-*"] }), /has no split "train"; it has none with files/);
  refused(() => declared(undefined, { train: ["[z-a].json"] }), /"\[z-a\]\.json" is no pattern of files/);
  refused(
    () => declared(undefined, { train: ["*".repeat(5000)] }),
    /a pattern has 5000 characters, at most 4096 are read/,
  );
});

test("a link that leads nowhere is no file of rows, unless its name says so", () => {
  const root = holding("train.jsonl", "deep/notes.txt");
  for (const name of ["scratch", "deep/notes.bak", ".hidden.jsonl"]) symlinkSync("nowhere", join(root, name));
  symlinkSync(join(root, "deep"), join(root, "again"), "junction");
  assert.deepEqual(splitsOf(root), { train: ["train.jsonl"] });
  symlinkSync("nowhere", join(root, "more.jsonl"));
  refused(() => dataFiles(root), /more\.jsonl: no such file/);
});

test("a law of names: a word in a file's name between separators decides, and no other does", () => {
  const words = {
    train: "train",
    training: "train",
    valid: "validation",
    dev: "validation",
    test: "test",
    eval: "test",
  };
  const word = fc.constantFrom(...(Object.keys(words) as (keyof typeof words)[]));
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "z"), minLength: 1, maxLength: 3 });
  const between = fc.constantFrom("-", ".", "_", " ", "0", "7");
  fc.assert(
    fc.property(word, letters, letters, between, between, (said, a, b, s, t) => {
      for (const name of [said, `${a}${s}${said}`, `${said}${t}${b}`, `${a}${s}${said}${t}${b}`])
        assert.deepEqual(splitsOf(holding(`${name}.jsonl`)), { [words[said]]: [`${name}.jsonl`] });
      for (const name of [`${a}${said}`, `${said}${b}`])
        assert.deepEqual(splitsOf(holding(`${name}.jsonl`)), { train: [`${name}.jsonl`] });
    }),
    { numRuns: 20 },
  );
});

test("a folder without end, by a link to its own parent, is refused in one line", () => {
  const root = holding("train.jsonl");
  for (const name of ["a", "b"]) symlinkSync(root, join(root, name), "junction");
  refused(() => dataFiles(root), /more than 20000 files and folders lie below it, or a link leads back; name the/);
});
