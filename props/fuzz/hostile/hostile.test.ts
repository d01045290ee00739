/**
 * What strangers send to take for ever, or all memory: each drawn case is made something of, or refused in one line, within
 * seconds. A few of each kind here; TAUGRAD_REACH tries more.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exampleDataset } from "../../../align/data/dataset.js";
import { InputError } from "../../../core/errors.js";
import { benchmarkRows } from "../../../lab/evaluate/rows/rows.js";
import { compileChatTemplate } from "../../../models/text/chat-template.js";
import { loadTokenizer, tokenizerOf } from "../../../models/text/tokenizer.js";
import { parseYaml } from "../../../run/yaml.js";
import { scratch } from "../../cli/cli.js";
import { goldenPath } from "../../golden/files.js";
import { tries } from "../../reach.js";
import { type Draw, drawer, pick } from "../mutate.js";
import { hostileParquet } from "./parquet.js";
import { hostileTemplates, spoken } from "./templates.js";
import { hostileLines, hostileRows, hostileYaml } from "./texts.js";
import { hostileTexts, hostileTokenizers } from "./tokenizers.js";

const SEED = Number(process.env.FC_SEED ?? 1);
/** Longest that an answer may take, in ms of processor time. */
const LIMIT = 10_000;

/** Draws cases of all kinds in turn, and sees how each ends. */
const ends =
  <C>(kinds: Readonly<Record<string, (draw: Draw) => C>>, count: number, run: (made: C) => unknown) =>
  async (): Promise<void> => {
    const names = Object.keys(kinds);
    for (let i = 0; i < tries(count); i++) {
      const name = names[(SEED + i) % names.length];
      const made = kinds[name](drawer(SEED * 1_000_003 + i));
      const before = process.cpuUsage();
      try {
        await run(made);
      } catch (error) {
        assert.ok(error instanceof InputError, `${name}, case ${i}: ${(error as Error).stack}`);
        assert.ok(!error.message.includes("\n"), `${name}, case ${i}: ${error.message}`);
      }
      const { user, system } = process.cpuUsage(before);
      assert.ok(user + system < 1000 * LIMIT, `${name}, case ${i}: ${(user + system) / 1e6} s`);
    }
  };

test(
  "chat templates",
  ends(hostileTemplates, 6, (text) => compileChatTemplate(text, "chat_template.jinja", {})(spoken)),
);

const whole = JSON.parse(readFileSync(goldenPath("preferences", "policy", "tokenizer.json"), "utf8"));
test(
  "tokenizers",
  ends(
    Object.fromEntries(
      Object.entries(hostileTokenizers).map(([name, make]) => [
        name,
        (draw: Draw) => ({ tokenizer: make(draw, whole), text: pick(draw, hostileTexts)(draw) }),
      ]),
    ),
    8,
    ({ tokenizer, text }) => {
      const { encode, decode } = tokenizerOf({ tokenizer });
      decode(encode(text));
    },
  ),
);

const folder = scratch();
const tokenizer = loadTokenizer(goldenPath("preferences", "policy"));
const asData =
  (name: string) =>
  async (bytes: Uint8Array): Promise<void> => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    (await exampleDataset(path, tokenizer, { maxLength: 64 })).close();
  };

test("Parquet files", ends(hostileParquet, 12, asData("rows.parquet")));

test(
  "YAML",
  ends(hostileYaml, 4, (text) => parseYaml(text, "x.yaml")),
);

test(
  "tables and lines",
  ends(hostileLines, 4, (bytes) => {
    const path = join(folder, "rows.csv");
    writeFileSync(path, bytes);
    return benchmarkRows(path);
  }),
);

test(
  "JSON, and what is zipped",
  ends(hostileRows, 6, ([name, bytes]) => asData(name)(bytes)),
);
