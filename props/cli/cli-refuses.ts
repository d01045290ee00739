/** Bad input: exit code 2, one line on stderr, nothing on stdout, nothing written. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { goldenPath } from "../golden/files.js";
import { lastOf, scratch } from "./cli.js";
import { type Ended, inside } from "./inside.js";

/** Files of this test process. */
export const folder = scratch();
const out = join(folder, "out");
export const policy = goldenPath("preferences", "policy");
const sft = goldenPath("preferences", "sft");
export const pairs = goldenPath("preferences", "chat.jsonl");
export const tiny = goldenPath("qwen1.5-tiny");

export const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
export const ids = file("ids.json", JSON.stringify({ ids: [[1, 2, 3]] }));

/** What each command needs at least; the case adds what is wrong with it, in place of the same option here (`lastOf`). */
export const calls = {
  logprobs: ["logprobs", "--device", "reference", "--json"],
  generate: ["generate", "--model", policy, "--device", "reference", "--json"],
  eval: ["eval", "--model", policy, "--ref-model", sft, "--data", pairs, "--device", "reference", "--json"],
  sft: ["sft", "--model_name_or_path", policy, "--dataset_name", pairs, "--output_dir", out, "--device", "reference"],
  dpo: ["dpo", "--model_name_or_path", policy, "--dataset_name", pairs, "--output_dir", out, "--device", "reference"],
} as const;

/** Asserts how a refused call ended. */
export const refuses = (ended: Ended, pattern: RegExp, call: string, outputFolder = out): void => {
  assert.equal(ended.code, 2, `${call}\nexit code ${ended.code}\n${ended.stderr}`);
  assert.match(ended.stderr, /^taugrad: [^\p{Cc}]{1,1200}\n$/u, `${call}: one line on stderr, for a person to read`);
  assert.match(ended.stderr, pattern, call);
  assert.equal(ended.stdout, "", `${call}: nothing on stdout`);
  assert.ok(!existsSync(outputFolder), `${call}: no output folder`);
};

export type Case = readonly [args: readonly string[], pattern: RegExp];

/** A test of several calls in this process: a process each would take ten times as long. */
export const refused = (title: string, cases: () => readonly Case[]): void => {
  test(title, async () => {
    for (const [args, pattern] of cases()) refuses(await inside(lastOf(args)), pattern, `taugrad ${args.join(" ")}`);
  });
};
