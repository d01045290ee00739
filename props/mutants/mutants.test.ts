/** Faults planted by hand, each of which must fail a law by its number; the whole score is `npm run mutants`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../golden/files.js";

interface Planted {
  readonly fault: string;
  readonly law: string;
  readonly without: readonly { readonly title: string; readonly error?: string }[];
  readonly with: readonly { readonly title: string; readonly error?: string }[];
}

test("each planted fault fails its law, which holds without it", async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, ["props/mutants/planted.mjs"], {
    cwd: projectRoot,
    env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
    maxBuffer: 2 ** 24,
  });
  const planted = JSON.parse(stdout) as readonly Planted[];
  assert.ok(planted.length > 0);
  for (const { fault, law, without, with: withFault } of planted)
    await t.test(`${fault}: ${law}`, () => {
      assert.ok(without.length > 0, `no law is called "${law}"`);
      for (const { title, error } of without) assert.equal(error, undefined, title);
      const failed = withFault.filter(({ error }) => error !== undefined);
      assert.ok(failed.length > 0, `holds all the same: ${withFault.map(({ title }) => title).join("; ")}`);
    });
});
