/** The documents' path from data to a model, on files of the names that it prints. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRows, rowsOfKind } from "../../../align/data/data.js";
import { exampleDataset, pairDataset } from "../../../align/data/dataset.js";
import { parseArguments } from "../../../cli/arguments.js";
import { resolveValues } from "../../../cli/config.js";
import { trainingTokenizer } from "../../../run/parts/chat-template.js";
import { besideCheckout, goldenPath, projectRoot } from "../../golden/files.js";
import { scratch, taugradIn } from "../cli.js";

const documents = readFileSync(join(projectRoot, "docs", "training.md"), "utf8");
const [, file = ""] = /```yaml\n(# dpo\.yaml\n[\s\S]*?)```/.exec(documents) ?? [];
/** The arguments of a command that the document prints over several lines. */
const argumentsOf = (command: "sft" | "dpo"): string[] => {
  const [, printed = ""] =
    new RegExp(`^taugrad ${command} (--model(?:[^\\\\\\n]|\\\\\\n)*)`, "m").exec(documents) ?? [];
  return printed.replaceAll("\\\n", " ").trim().split(/\s+/);
};

/** A folder with the files that the document speaks of: a small model under their names, and some rows of their layouts. */
const place = async (): Promise<string> => {
  const folder = join(scratch(), "work");
  mkdirSync(folder);
  for (const [name, model] of [
    ["stories260K", "policy"],
    ["runs/sft", "sft"],
  ])
    cpSync(goldenPath("preferences", model), join(folder, name), { recursive: true });
  const rows = rowsOfKind(await readRows(goldenPath("preferences", "chat.jsonl")), "paired").slice(0, 16);
  const said = (from: string, turns: unknown) => ({ from, value: (turns as { content: string }[])[0].content });
  const pairs = rows.map(({ prompt, chosen, rejected }) => ({
    conversations: [said("human", prompt)],
    chosen: said("gpt", chosen),
    rejected: said("gpt", rejected),
  }));
  writeFileSync(join(folder, "dpo_en_demo.json"), JSON.stringify(pairs));
  writeFileSync(join(folder, "dpo.yaml"), file);
  return folder;
};

test("docs: dpo.yaml runs as printed, to the model that it names", async () => {
  assert.ok(file.includes("model_name_or_path:"));
  const folder = await place();
  const { code, stderr } = await taugradIn(folder, [
    "dpo",
    "--config",
    "dpo.yaml",
    "--device",
    "cpu",
    "--max_steps",
    "2",
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /dpo_en_demo\.json: 16 rows/);
  assert.ok(!stderr.includes("WARNING"), stderr);
  const dry = await taugradIn(folder, [
    "dpo",
    "--config",
    "dpo.yaml",
    "--device",
    "cpu",
    "--dry-run",
    "--output_dir",
    "o",
  ]);
  assert.equal(dry.code, 0, dry.stderr);
  assert.ok(readFileSync(join(folder, "runs/dpo-yaml/model.safetensors")).length > 0);
});

test("docs: the runs that it prints keep nine tenths of the demo data's rows", async () => {
  const [model, data] = [besideCheckout("models", "stories260K"), besideCheckout("data")];
  if (model === undefined || data === undefined) return;
  const out = {
    json: false,
    call: [],
    note: () => {},
    start: () => {},
    wait: () => {},
    flag: (key: string) => key,
    result: () => {},
  };
  const kept = async (command: "sft" | "dpo", read: typeof pairDataset | typeof exampleDataset): Promise<number> => {
    const values = await resolveValues(command, parseArguments(command, argumentsOf(command)).values);
    const { tokenizer } = trainingTokenizer({ ...values, model_name_or_path: model }, out);
    const { max_length: maxLength, truncation_mode: truncationMode } = values;
    const maxPromptLength = "max_prompt_length" in values ? values.max_prompt_length : undefined;
    const rows = await read(join(data, values.dataset_name), tokenizer, {
      ...{ maxLength, truncationMode, maxPromptLength, limit: 60 },
    });
    rows.close();
    return 1 - rows.report.dropped / rows.report.rows;
  };
  for (const share of [await kept("sft", exampleDataset), await kept("dpo", pairDataset)])
    assert.ok(share >= 0.9, `${share}`);
});
