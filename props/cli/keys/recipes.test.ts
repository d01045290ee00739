/** Public recipes, reduced to a small model: each runs, or is refused for what would change numbers. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseArguments } from "../../../cli/arguments.js";
import { dpoCommand } from "../../../cli/commands/dpo.js";
import { ktoCommand } from "../../../cli/commands/kto.js";
import { sftCommand } from "../../../cli/commands/sft.js";
import { resolveValues } from "../../../cli/config.js";
import type { Output } from "../../../cli/output.js";
import { InputError } from "../../../core/errors.js";
import { goldenPath } from "../../golden/files.js";
import { scratch } from "../cli.js";

const root = scratch();
const recipes = goldenPath("recipes");
const preferences = goldenPath("preferences");

/** What stands in a recipe for models and data. */
const placed = (text: string, name: string): string => {
  // What the assistant says is marked, as in templates to train with.
  const marked = "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}";
  const template = JSON.stringify(
    `{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}${marked}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}`,
  );
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const chat = join(folder, "chat.jsonl");
  const rows = readFileSync(join(preferences, "chat.jsonl"), "utf8").trim().split("\n").slice(0, 12);
  const asMessages = (line: string): string => {
    const { prompt, chosen } = JSON.parse(line) as Record<string, object[]>;
    return JSON.stringify({ messages: [...prompt, ...chosen] });
  };
  writeFileSync(chat, `${rows.map(asMessages).join("\n")}\n`);
  return text
    .replace("MODEL", join(preferences, "sft"))
    .replaceAll("CHAT", chat)
    .replaceAll("PAIRS", join(preferences, "chat.jsonl"))
    .replaceAll("ANSWERS", join(preferences, "unpaired.jsonl"))
    .replace("OUT", join(folder, "out"))
    .replace("TEMPLATE", template);
};

interface Ran {
  readonly document: { readonly steps: number; readonly config?: Readonly<Record<string, unknown>> };
  readonly notes: readonly string[];
}

/** Runs a recipe in this process. */
const ran = async (kind: string, path: string, ...more: readonly string[]): Promise<Ran> => {
  const notes: string[] = [];
  let document: unknown;
  const out: Output = {
    json: true,
    call: [kind],
    note: (line) => notes.push(line),
    start: () => {},
    wait: () => {},
    flag: (key) => key,
    result: (found) => {
      document = found;
    },
  };
  const args = ["--config", path, "--device", "cpu", ...more];
  const valuesOf = <C extends "sft" | "dpo" | "kto">(command: C) =>
    resolveValues(command, parseArguments(command, args).values, out.note);
  if (kind === "sft") await sftCommand(await valuesOf("sft"), out);
  if (kind === "dpo") await dpoCommand(await valuesOf("dpo"), out);
  if (kind === "kto") await ktoCommand(await valuesOf("kto"), out);
  return { document: document as Ran["document"], notes };
};

/** Recipes that ask for what would change numbers, and is not there: the keys that are refused. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  "handbook-constitutional-dpo": ["optim"], // rmsprop
  "handbook-zephyr-dpo-qlora": ["load_in_4bit"],
  "handbook-zephyr-orpo": ["optim"], // adamw_bnb_8bit
  "llama-factory-full-sft": ["dataset", "template"],
  "llama-factory-lora-dpo": ["template"],
  "llama-factory-lora-kto": ["template"],
  "llama-factory-qlora-sft": ["quantization_bit", "dataset", "template"],
  "trl-orpo-lora": ["optim"],
};

/** Those that are run, not only planned, for two steps. */
const RUN = ["handbook-zephyr-dpo-full", "trl-kto-full"];

const names = readdirSync(recipes).filter((name) => name.endsWith(".yaml"));

test("recipes: there are twenty and more", () => assert.ok(names.length >= 20));

for (const file of names) {
  const name = file.slice(0, -".yaml".length);
  const text = readFileSync(join(recipes, file), "utf8");
  const kind = /^# (\w+):/.exec(text)?.[1] as string;
  const refused = REFUSED[name];
  test(`recipes: ${name} ${refused === undefined ? "runs" : `is refused for ${refused.join(", ")}`}`, async () => {
    const path = join(root, file);
    writeFileSync(path, placed(text, name));
    if (refused !== undefined) {
      await assert.rejects(ran(kind, path, "--dry_run"), (error) => {
        assert.ok(error instanceof InputError, String(error));
        const found = [...error.message.matchAll(/\.yaml: (\w+) is /g)].map(([, key]) => key);
        assert.deepEqual(found.sort(), [...refused].sort(), error.message);
        return true;
      });
      return;
    }
    const how = RUN.includes(name) ? ["--max_steps", "2", "--push_to_hub", "false"] : ["--dry_run"];
    const { document, notes } = await ran(kind, path, ...how);
    assert.ok(document.steps > 0);
    assert.ok(notes.every((note) => !note.includes("undefined")));
  });
}
