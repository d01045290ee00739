/** The command line's own words: help, versions, and the option table behind them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseArguments } from "../../cli/arguments.js";
import { resolveValues } from "../../cli/config.js";
import { type CommandName, commands, type OptionName, optionsOf, spelled } from "../../cli/options.js";
import { SCHEDULES } from "../../optim/index.js";
import { suggestedOption } from "../../run/options/suggest.js";
import { projectRoot } from "../golden/files.js";
import { command, succeeds } from "./cli.js";

const names = Object.keys(commands) as CommandName[];

test("--help lists every command, and --version is the package's", async () => {
  const { stdout } = await succeeds(["--help"]);
  for (const name of names) assert.match(stdout, new RegExp(`^  ${name}  `, "m"));
  const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { version: string };
  assert.equal((await succeeds(["--version"])).stdout, `${version}\n`);
});

test("each command's --help lists each of its options, and says nothing on stderr", async () => {
  for (const name of names) {
    const { stdout, stderr } = await succeeds([name, "--help"]);
    assert.equal(stderr, "");
    for (const [option, { about }] of optionsOf(name)) {
      // The option's own line, and those that its description goes on in.
      const [, entry = ""] = stdout.split(`\n  ${spelled(name, option)} `);
      const own = entry.split(/\n(?! {12})/)[0];
      assert.ok(own.replace(/\s+/g, " ").includes(about), `${name}: ${option} is not described`);
    }
    assert.ok(
      stdout.split("\n").every((line) => line.length <= 132),
      `${name}: a line is too long to read`,
    );
    assert.equal((await succeeds(["help", name])).stdout, stdout);
  }
});

test("help loads neither a device nor the tokenizer", () => {
  const meta = JSON.parse(readFileSync(join(projectRoot, "dist", "meta.json"), "utf8")) as {
    outputs: Record<string, { imports: { path: string; kind: string; external?: boolean }[] }>;
  };
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: target, kind } of meta.outputs[path]?.imports ?? [])
      if (kind === "import-statement") visit(target);
  };
  visit("dist/cli.js");
  const packages = [...seen]
    .map((path) => path.replace(/^#platform\/(?:node|peer)\/(.*)\.js$/, "$1"))
    .filter((path) => !/^(dist\/|node:|#platform\/|\.\/)/.test(path) && !isBuiltin(path));
  assert.deepEqual(packages, []);
});

test("a reader that stops early is no error", async () => {
  const child = spawn(process.execPath, [...command, "dpo", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number];
  assert.deepEqual([code, stderr], [0, ""]);
});

test("the schedules of the table are those of the optimizers", async () => {
  for (const name of SCHEDULES) assert.equal(optionsOf("dpo").get("lr_scheduler_type")?.read(name, ""), name);
  assert.ok(optionsOf("dpo").get("lr_scheduler_type")?.about.endsWith(SCHEDULES.join(", ")));
});

const given = (command: CommandName, args: readonly string[]) =>
  Object.fromEntries(parseArguments(command, args).values);

test("options may be spelled with _ or -, with = or a blank; flags may be negated or given a word", () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(), (command, pick) => {
      const table = [...optionsOf(command)];
      const [name, { flag, many }] = table[pick % table.length];
      const kebab = name.replaceAll("_", "-");
      const ways = flag
        ? [[`--${name}`, "false"], [`--no-${kebab}`], [`--no_${name}`], [`--${kebab}=false`]].map((args) => {
            const value = given(command, args)[name];
            return value === "false" ? false : value;
          })
        : [[`--${name}`, "-1"], [`--${kebab}`, "-1"], [`--${kebab}=-1`]].map((args) => given(command, args)[name]);
      const expected = flag ? false : many ? ["-1"] : "-1";
      for (const value of ways) assert.deepEqual(value, expected);
    }),
  );
});

test("one wrong letter is found out; a word of no likeness is not guessed at", () => {
  const keys = [...optionsOf("dpo").keys()];
  // Between adam_beta1 and adam_beta2 one wrong letter decides nothing.
  const clear = keys.filter((key) => key.length > 5 && !key.startsWith("adam_beta"));
  fc.assert(
    fc.property(fc.constantFrom(...clear), fc.nat(), fc.boolean(), (key, at, drop) => {
      const i = at % key.length;
      const wrong = drop ? key.slice(0, i) + key.slice(i + 1) : `${key.slice(0, i)}q${key.slice(i + 1)}`;
      if (!keys.includes(wrong as OptionName)) assert.equal(suggestedOption(wrong, keys), key);
    }),
  );
  assert.equal(suggestedOption("lr", keys), "learning_rate");
  assert.equal(suggestedOption("zzzzzzzz", keys), undefined);
});

test("defaults lie under what is given", async () => {
  const needed = { model_name_or_path: "m", dataset_name: "d", output_dir: "o" } as const;
  const base = new Map<OptionName, unknown>(Object.entries(needed) as [OptionName, unknown][]);
  const { beta, learning_rate, device } = await resolveValues("dpo", base);
  assert.deepEqual({ beta, learning_rate, device }, { beta: 0.1, learning_rate: 1e-6, device: "auto" });
  const set = await resolveValues("dpo", new Map([...base, ["beta", "0.3"], ["learning_rate", "1e-4"]]));
  assert.deepEqual([set.beta, set.learning_rate], [0.3, 1e-4]);
});
