/**
 * The package as it is shipped, on the engines of the registry and in browsers: npm run runtimes [-- NAME… --at DIR]
 * Packs it, installs it and every engine whose name holds a NAME (all by default) into a temporary folder, or into DIR, which is
 * kept, and asks each for the digests of programs and trainings on reference, cpu and webgpu, and for the commands doctor,
 * --help and a small dpo; browsers have no commands. Prints a table. Exits 1 where an engine disagrees, warns, or fails; one that
 * cannot be had is named.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../../build.mjs";
import { findAdapter } from "../adapter.mjs";
import { ENGINES, WORKS } from "./engines.mjs";
import { answersOf } from "./page/numbers.mjs";

const { values, positionals } = parseArgs({ options: { at: { type: "string" } }, allowPositionals: true });
const wanted = ENGINES.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
if (wanted.length === 0) {
  console.error(
    `runtimes: no engine is named like ${positionals.join(", ")}: ${ENGINES.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
const home = values.at ?? mkdtempSync(join(tmpdir(), "taugrad-runtimes-"));
mkdirSync(home, { recursive: true });
const { env: adapterEnv = {}, adapter } = await findAdapter();

/** What a program wrote, and its exit code; it never rejects. */
const run = (file, args, { cwd, env = {} }) =>
  new Promise((resolve) =>
    execFile(
      file,
      args,
      { cwd, env: { ...process.env, ...adapterEnv, NO_COLOR: "1", ...env }, timeout: 300_000, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr }),
    ),
  );
const npm = (args, cwd) => run("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd });

/** Installs packages into a folder of their own, unless they lie there; undefined, or why not. */
const install = async (folder, packages) => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  const { code, stderr } = await npm(["install", ...packages], folder);
  return code === 0 ? undefined : stderr.trim().split("\n")[0];
};

const project = join(home, "project");
const packed = await npm(["pack", "--pack-destination", home], root);
if (packed.code !== 0) throw new Error(packed.stderr);
const tarball = packed.stdout.trim().split("\n").at(-1);
const dawn = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies.webgpu;
rmSync(join(project, "node_modules", "taugrad"), { recursive: true, force: true });
const failure = await install(project, [join(home, tarball), `webgpu@${dawn}`]);
if (failure !== undefined) throw new Error(`the packed package cannot be installed: ${failure}`);
for (const file of ["kernels/browser/program.mjs", "runtimes/ask.mjs"])
  cpSync(join(root, "props", file), join(project, "props", file));

const golden = JSON.parse(readFileSync(join(root, "props", "golden", "portable-bits.json"), "utf8"));
const digest = (value) =>
  createHash("sha256")
    .update(typeof value === "string" ? value : JSON.stringify(value, Object.keys(value).sort()))
    .digest("hex")
    .slice(0, 8);

/** Nothing stands on stderr but what a program is meant to say there. */
const warningIn = (stderr) => stderr.split("\n").find((line) => /warning|deprecat|experimental/i.test(line));

let failed = false;
const fault = (engine, what) => {
  failed = true;
  console.error(`${engine}: ${what}`);
};

/** Digests that must agree: of a work on all engines (portable), or on those of one kind (native: fused or not). */
const agreed = new Map();
const agree = (engine, key, found) => {
  const [first, by] = agreed.get(key) ?? [found, engine];
  agreed.set(key, [first, by]);
  if (first !== found) fault(engine, `${key}: ${found}, where ${by} has ${first}`);
};

/** What the table says of an answer to a work; faults are told. */
const judged = (engine, { name, device, mode = engine.mode }, told) => {
  const reason = engine.lacks?.[device];
  if (told.error !== undefined) {
    const isRefused = reason !== undefined && told.error.includes(reason);
    if (!isRefused && !engine.library) fault(engine.name, `${name}: ${told.error}`);
    return reason === undefined && engine.library ? "not allowed" : isRefused ? "refused by name" : "FAILED";
  }
  if (told.bits === "portable") {
    const [first] = Object.keys(told.found).filter((title) => told.found[title] !== golden[device][title]);
    if (first !== undefined)
      fault(engine.name, `${name}: ${first} is ${told.found[first]}, not ${golden[device][first]}`);
  }
  const found = digest(told.found);
  if (told.bits !== "portable") agree(engine.name, `${device}, ${told.bits ?? mode ?? "its driver's"} bits`, found);
  return `${found}${told.bits === "fused" ? " fused" : ""}`;
};

const askOf = async (engine, start, work) => {
  const { name, device, bits, mode, threads } = work;
  const env = threads === undefined ? {} : { TAUGRAD_THREADS: String(threads) };
  const { code, stdout, stderr } = await run(
    start[0],
    [...start.slice(1), "props/runtimes/ask.mjs", JSON.stringify({ device, bits, mode })],
    {
      ...{ cwd: project, env },
    },
  );
  const line = stdout.trim().split("\n").at(-1) ?? "";
  const told = line.startsWith("{") ? JSON.parse(line) : { error: `exit ${code}: ${stderr.trim().split("\n")[0]}` };
  const warning = warningIn(stderr);
  if (warning !== undefined) fault(engine.name, `${name}: ${warning}`);
  return judged(engine, work, told);
};

const preferences = join(root, "props", "golden", "preferences");
/** Commands by name: each gives what the table says. */
const COMMANDS = {
  "--help": { args: ["--help"], says: ({ stdout }) => (/^ {2}dpo /m.test(stdout) ? "ok" : undefined) },
  doctor: { args: ["doctor"], says: ({ stdout }) => (/^bits /m.test(stdout) ? "ok" : undefined) },
  dpo: {
    args: [
      ...["dpo", "--model_name_or_path", join(preferences, "sft"), "--dataset_name", join(preferences, "chat.jsonl")],
      ...["--max_steps", "3", "--device", "cpu", "--output_dir", "out"],
    ],
    env: { TAUGRAD_BITS: "portable" },
    says: (_, cwd) => {
      const model = join(cwd, "out", "model.safetensors");
      return existsSync(model) ? digest(readFileSync(model, "latin1")) : undefined;
    },
  },
};

const commandOf = async (engine, start, name) => {
  const { args, env = {}, says } = COMMANDS[name];
  rmSync(join(project, "out"), { recursive: true, force: true });
  const cli = join("node_modules", "taugrad", "dist", "cli.js");
  const ended = await run(start[0], [...start.slice(1), cli, ...args], { cwd: project, env });
  if (engine.library) {
    // Without permissions a command says in one line which flags it needs.
    const isTold = ended.code === 2 && /^taugrad: Deno does not allow .* --allow-env .*$/m.test(ended.stderr);
    if (!isTold) fault(engine.name, `${name}: exit ${ended.code}: ${ended.stderr.trim()}`);
    return isTold ? "names flags" : "FAILED";
  }
  const said = ended.code === 0 ? says(ended, project) : undefined;
  const warning = warningIn(ended.stderr);
  if (said === undefined) fault(engine.name, `${name}: exit ${ended.code}: ${ended.stderr.trim().split("\n").at(-1)}`);
  else if (warning !== undefined) fault(engine.name, `${name}: ${warning}`);
  else if (name === "dpo") agree(engine.name, "the model of dpo, portable bits", said);
  return said ?? "FAILED";
};

console.log(`webgpu: ${adapter}`);
const rows = [["", ...WORKS.map(({ name }) => name), ...Object.keys(COMMANDS)]];
for (const engine of wanted) {
  if (engine.browser !== undefined) {
    const told = await answersOf(project, engine.browser, WORKS);
    if (typeof told === "string") rows.push([engine.name, `cannot be opened: ${told}`]);
    else {
      const cells = WORKS.map((work, i) => judged(engine, work, told.answers[i]));
      rows.push([told.version, ...cells, ...Object.keys(COMMANDS).map(() => "–")]);
    }
    console.log(rows.at(-1).join(" | "));
    continue;
  }
  const folder = join(home, engine.package.replace("@", "-"));
  const why = await install(folder, [engine.package]);
  if (why !== undefined) {
    rows.push([engine.name, `cannot be installed: ${why}`]);
    continue;
  }
  const start = [join(folder, "node_modules", ".bin", engine.bin), ...(engine.before ?? [])];
  const version = (await run(start[0], ["--version"], { cwd: folder })).stdout.match(/\d+\.\d+\.\d+/)?.[0] ?? "?";
  const cells = [];
  for (const work of WORKS) cells.push(await askOf(engine, start, work));
  for (const name of Object.keys(COMMANDS)) cells.push(await commandOf(engine, start, name));
  rows.push([`${engine.name} (${version})`, ...cells]);
  console.log(rows.at(-1).join(" | "));
}
const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => (row.length > 2 ? row[column].length : 0))));
console.log(`\n${rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ")).join("\n")}`);
if (values.at === undefined) rmSync(home, { recursive: true, force: true });
process.exitCode = failed ? 1 : 0;
