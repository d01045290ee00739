/**
 * Tokens a second beside transformers.js, on the same weights: node bench/peers/decode/run.mjs --model DIR [--json FILE]
 * DIR is a Llama model in F32 with a tokenizer, such as stories260K. Engines take turns, each in processes of its own;
 * transformers.js as it comes, and with one thread, which suits so small a model. Greedy ids must agree.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { buildBundles } from "../../../build.mjs";
import { writeOnnx } from "./onnx.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const [TURNS, ROUNDS] = [3, 7];
/** "Once upon a time" in stories260K's tokens; any ids do. */
const IDS = "[1,403,407,261,378]";

const { values: options } = parseArgs({ options: { model: { type: "string" }, json: { type: "string" } } });
const refuse = (message) => {
  console.error(`bench/peers/decode: ${message}`);
  process.exit(2);
};
if (options.model === undefined) refuse("--model DIR says what to load, for instance stories260K");
if (!existsSync(join(options.model, "config.json")))
  refuse(`--model ${options.model}: no model folder is there (it has no config.json)`);
if (!existsSync(join(here, "..", "node_modules")))
  refuse("transformers.js is not installed: npm install --prefix bench/peers");
await buildBundles();

const folder = join(mkdtempSync(join(tmpdir(), "taugrad-decode-")), "model");
const ENGINES = {
  taugrad: ["taugrad.mjs", options.model],
  "transformers.js": ["transformers.mjs", folder],
  "one thread": ["transformers.mjs", folder, "1"],
};
const run = async ([file, model, ...rest]) => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(here, file),
    model,
    IDS,
    String(ROUNDS),
    ...rest,
  ]);
  return JSON.parse(stdout.trim().split("\n").at(-1));
};
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

try {
  writeOnnx(options.model, folder);
  const found = Object.fromEntries(Object.keys(ENGINES).map((engine) => [engine, []]));
  for (let turn = 0; turn < TURNS; turn++)
    for (const [engine, call] of Object.entries(ENGINES)) found[engine].push(await run(call));
  const all = Object.values(found).flat();
  if (all.some(({ ids }) => String(ids) !== String(all[0].ids))) {
    console.error("bench/peers/decode: the engines' greedy texts differ");
    process.exitCode = 1;
  }
  const figure = (engine, of) => median(found[engine].map(of));
  const rows = {
    "load, ms": ({ load_ms }) => load_ms,
    "first token after load, ms": ({ first_token_ms }) => first_token_ms,
    ...Object.fromEntries(
      Object.keys(all[0].tokens_s).flatMap((way) => [
        [`${way}, tokens/s`, ({ tokens_s }) => tokens_s[way]],
        [`${way}, CPU µs a token`, ({ cpu_us }) => cpu_us[way]],
      ]),
    ),
  };
  const numbers = {};
  console.log(["".padEnd(28), ...Object.keys(ENGINES).map((engine) => engine.padStart(16))].join(""));
  for (const [name, of] of Object.entries(rows)) {
    numbers[name] = Object.fromEntries(Object.keys(ENGINES).map((engine) => [engine, figure(engine, of)]));
    const cells = Object.values(numbers[name]).map((value) => value.toFixed(name.endsWith("ms") ? 1 : 0).padStart(16));
    console.log(name.padEnd(28) + cells.join(""));
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(numbers, undefined, 2)}\n`);
} finally {
  rmSync(dirname(folder), { recursive: true, force: true });
}
