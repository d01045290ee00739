/** Laws of portable bits: what is written down was found alike on every engine that `npm run runtimes` has run. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { checkSameRun } from "../../../run/running/same-run.js";
import { projectRoot as root } from "../../golden/files.js";

interface Told {
  readonly description: string;
  readonly bits: string;
  readonly found: Readonly<Record<string, string>>;
}
type Options = { readonly bits?: string };
interface Program {
  readonly numbersOf: (device: string, titles?: readonly string[], options?: Options) => Promise<Told>;
}

/** Digests by device and title. */
const golden = JSON.parse(readFileSync(join(root, "props", "golden", "portable-bits.json"), "utf8")) as Record<
  string,
  Record<string, string>
>;
const { numbersOf } = (await import(
  pathToFileURL(join(root, "props", "kernels", "browser", "program.mjs")).href
)) as Program;
const { open } = await import("../../../kernels/index.js");

test("portable: programs and trainings are those of every engine, to the bit [cpu]", async () => {
  const { found, bits, description } = await numbersOf("cpu", undefined, { bits: "portable" });
  assert.deepEqual(found, golden.cpu);
  assert.deepEqual([bits, /, portable bits\)$/.test(description)], ["portable", true]);
});

test("native: the same where nothing is fused; else products differ, and uniform bits do not [cpu]", async () => {
  const { found, bits } = await numbersOf("cpu", ["bits", "product", "mlp"], { bits: "native" });
  for (const title of ["bits", ...(bits === "portable" ? ["product", "mlp"] : [])])
    assert.equal(found[title], golden.cpu[title]);
  if (bits === "fused") for (const title of ["product", "mlp"]) assert.notEqual(found[title], golden.cpu[title]);
});

test("definitions are those of every engine, to the bit [reference]", async () => {
  const titles = ["bits", "pointwise", "softmax", "gradient", "regression"];
  const { found } = await numbersOf("reference", titles);
  assert.deepEqual(found, Object.fromEntries(titles.map((title) => [title, golden.reference[title]])));
});

test("bits that are none, and portable bits of a GPU, are refused by name; auto takes cpu for them", async () => {
  const refused = async (name: string, options: object, message: RegExp) =>
    assert.rejects(async () => open(name as "cpu", options), message);
  await refused("cpu", { bits: "exact" }, /^InputError: bits exact: use native or portable$/);
  await refused("webgpu", { bits: "portable" }, /^InputError: portable bits were asked for, and what a GPU rounds/);
  await refused("auto", { bits: "portable", adapter: "0" }, /^InputError: portable bits were asked for/);
  const lines: string[] = [];
  const device = await open("auto", { bits: "portable", notice: (line) => lines.push(line) });
  await device.close();
  assert.deepEqual(lines, ["device: cpu, portable bits were asked for, which no GPU promises"]);
});

test("a run that goes on with other bits says so", () => {
  const run = (bits: string) => ({ settings: { bits, seed: 1 }, digests: {} });
  assert.deepEqual(checkSameRun("c", run("fused"), run("fused")), []);
  const [line, ...others] = checkSameRun("c", run("fused"), run("portable"));
  assert.match(line, /^note: bits was "?fused"? and is "?portable"? now: from here on multiply-adds round otherwise$/);
  assert.deepEqual(others, []);
});
