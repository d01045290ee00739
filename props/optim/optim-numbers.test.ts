/** No law of the methods is missing: each number stands in the name of a test, traps as traps. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../golden/files.js";

/** Laws of optimizers, step-K, sparsifiers, consensus and offline merging. */
const LAWS = Array.from({ length: 30 }, (_, i) => i + 1);
/** Those among them that are, or have, an inequality. */
const TRAPS = [1, 2, 6, 9, 13, 21, 22, 24, 29, 30];

test("laws 1–30 and their traps are tests whose names carry their numbers", () => {
  const folder = join(projectRoot, "props", "optim");
  const source = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");
  const titles = [...source.matchAll(/\b(?:law|check|test)\(\s*["`](law \d+[^"`]*)/g)].map(([, title]) => title);
  for (const law of LAWS)
    assert.ok(
      titles.some((title) => new RegExp(`^law ${law}\\b`).test(title)),
      `law ${law}`,
    );
  for (const law of TRAPS)
    assert.ok(
      titles.some((title) => new RegExp(`^law ${law}, (.*, )?traps?:`).test(title)),
      `the trap of law ${law}`,
    );
});
