/** Files of rows, and the README of a folder of them. */
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import {
  type Dataset,
  type DatasetOptions,
  exampleDataset,
  labelledDataset,
  pairDataset,
} from "../../../align/data/dataset.js";
import { dataFiles } from "../../../align/data/files/splits.js";
import { readConfig } from "../../../models/config.js";
import { loadTokenizer, type Tokenizer } from "../../../models/text/tokenizer.js";
import { declaredIn } from "../../../run/parts/dataset-config.js";
import { dpo, files, head, lines, plain, policy, type Target } from "./target.js";

const columns = Object.keys(plain[0]).map((name) => ({ name, data: plain.map((row) => row[name]) }));
const alpaca = plain.map(({ prompt, chosen }) => ({
  instruction: prompt,
  input: "",
  output: chosen,
  history: [["a", "b"]],
}));
const shareGpt = plain.map(({ prompt, chosen, rejected }) => ({
  conversations: [
    { from: "system", value: "s" },
    { from: "human", value: prompt },
  ],
  chosen: { from: "gpt", value: chosen },
  rejected: { from: "gpt", value: rejected },
}));
const declaring = `---
license: mit
tags: [a, "b"]
configs:
  - config_name: default
    data_files:
      - split: train
        path: "data-t*-[0-9].jsonl"
      - {split: test, path: ["**/test*.jsonl"]}
  - config_name: other
    data_dir: data
---
# Rows
`;

/** Reads rows as a training command does. */
const rowsBy =
  <T>(read: (path: string, tokenizer: Tokenizer, options: DatasetOptions) => Promise<Dataset<T>>) =>
  async (path: string): Promise<void> => {
    tokenizer ??= loadTokenizer(policy);
    (await read(path, tokenizer, { maxLength: 128, vocabSize: readConfig(policy).vocabSize })).close();
  };
let tokenizer: Tokenizer | undefined;
const pairs = rowsBy(pairDataset);
const train = (command: string, rows: string, out: string): string[] => [command, ...dpo(rows, out).slice(1)];

export const rows: readonly Target[] = [
  {
    ...{ name: "pairs.jsonl", kind: "text", whole: Buffer.from(head("chat.jsonl").join("\n")) },
    ...{ args: dpo, gate: pairs },
  },
  {
    ...{ name: "implicit.jsonl", kind: "text", whole: Buffer.from(head("implicit_prompt.jsonl").join("\n")) },
    ...{ args: dpo, gate: pairs },
  },
  {
    ...{ name: "pairs.json", kind: "text", whole: Buffer.from(JSON.stringify(shareGpt, null, 2)) },
    ...{ args: dpo, gate: pairs },
  },
  {
    ...{ name: "labelled.jsonl", kind: "text", whole: Buffer.from(head("unpaired.jsonl").join("\n")) },
    ...{ args: (place, out) => train("kto", place, out), gate: rowsBy(labelledDataset) },
  },
  {
    ...{ name: "alpaca.jsonl", kind: "text", whole: lines(alpaca) },
    ...{ args: (place, out) => train("sft", place, out), gate: rowsBy(exampleDataset) },
  },
  { name: "rows.jsonl.gz", kind: "bytes", whole: gzipSync(lines(plain)), args: dpo, gate: pairs },
  {
    ...{ name: "rows.parquet", kind: "bytes", args: dpo, gate: pairs },
    whole: Buffer.from(parquetWriteBuffer({ columnData: columns, rowGroupSize: 2 })),
  },
  {
    ...{ name: "rows' README.md", kind: "text", whole: Buffer.from(declaring), args: dpo },
    in: ["README.md", files({ "data-train-1.jsonl": lines(plain), "test.jsonl": lines(plain) })],
    gate: async (folder) => dataFiles(folder, { declared: await declaredIn(folder) }),
  },
];
