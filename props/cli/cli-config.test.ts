/** YAML files and flags are two spellings of one table. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseArguments } from "../../cli/arguments.js";
import { resolveValues } from "../../cli/config.js";
import { failure } from "../../cli/fail.js";
import { type OptionName, optionsOf } from "../../cli/options.js";
import { InputError } from "../../core/errors.js";
import { yamlOf as settingsOf } from "../../run/outputs/settings.js";
import { goldenPath } from "../golden/files.js";
import { scratch } from "./cli.js";

const folder = scratch();
const needed = { model_name_or_path: "m", dataset_name: "d", output_dir: "o" };

let files = 0;
/** Resolves `dpo` from a file of this text and from arguments. */
const resolved = async (yaml: string, args: readonly string[] = []): Promise<Record<string, unknown>> => {
  const path = join(folder, `${files++}.yaml`);
  writeFileSync(path, yaml);
  return resolveValues("dpo", parseArguments("dpo", ["--config", path, ...args]).values);
};

const refuses = (yaml: string, pattern: RegExp, args: readonly string[] = []): Promise<void> =>
  assert.rejects(resolved(yaml, args), (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("\n"), "one line");
    return true;
  });

const yamlOf = (keys: Readonly<Record<string, unknown>>): string =>
  Object.entries(keys)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join("");

/** A few values that each key takes. */
const values: Readonly<Partial<Record<OptionName, readonly (string | number | boolean)[]>>> = {
  learning_rate: [0, 1e-5, "3e-4"],
  beta: [0.1, 1],
  alpha: [0, 1e-7, 1],
  reserve_p: [0, 0.5, 1],
  online_step: [1, 10],
  max_steps: [-1, 5],
  num_train_epochs: [0.5, 2],
  shuffle_dataset: [true, false],
  gradient_checkpointing: [true, false],
  optim: ["adamw", "ondare", "onties"],
  merge_preset: ["paper", "official"],
  rescale: ["l1", "none", true, false],
  lr_scheduler_type: ["cosine", "linear"],
  dataset_name: ["a file.jsonl", "b"],
  adam_beta2: [0, 0.99],
  device: ["cpu", "auto"],
};

test("a key means the same in the file and on the command line, and the command line wins", async () => {
  const pairs = Object.entries(values).flatMap(([key, list]) => list.map((value) => [key, value] as const));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...pairs), fc.constantFrom(...pairs), async ([key, value], [other, second]) => {
      const inFile = await resolved(yamlOf({ ...needed, [key]: value }));
      const asFlag = await resolved(yamlOf(needed), [`--${key}`, String(value)]);
      assert.deepEqual({ ...inFile, config: 0 }, { ...asFlag, config: 0 });
      const over = await resolved(yamlOf({ ...needed, [other]: second }), [
        `--${key.replaceAll("_", "-")}`,
        String(value),
      ]);
      assert.equal(over[key], inFile[key]);
    }),
    { numRuns: 40 },
  );
});

test("every key that has a range refuses what is outside of it, by name", async () => {
  for (const key of ["alpha", "reserve_p"]) {
    for (const value of ["-0.001", "1.001", "2", ".nan", ".inf", "none", "[1]", "true"])
      await refuses(yamlOf({ ...needed, [key]: value }), new RegExp(`yaml: ${key} is .*a number in \\[0, 1\\]`));
    for (const value of ["-1", "1.5", "nan", "x", "1,5", "0x1"])
      await refuses(yamlOf(needed), new RegExp(`^--${key} is .*a number in \\[0, 1\\]`), [`--${key}`, value]);
  }
  for (const [key, { flag }] of optionsOf("dpo"))
    if (!flag && key !== "config")
      await refuses(yamlOf({ ...needed, [key]: "{a: [1]}" }), new RegExp(`${key} is .*must be`));
});

test("whole numbers are whole", async () => {
  await refuses(yamlOf({ ...needed, max_length: 12.5 }), /max_length is 12.5; it must be an integer ≥ 2/);
  await refuses(yamlOf({ ...needed, seed: 1e300 }), /seed is .* an integer ≥ 0/);
  assert.equal((await resolved(yamlOf({ ...needed, max_steps: "1e2" }))).max_steps, 100);
});

test("unknown keys are refused, with the one that was meant", async () => {
  await refuses(yamlOf({ ...needed, learning_rte: 1 }), /unknown key "learning_rte"; did you mean "learning_rate"\?/);
  await refuses(yamlOf({ ...needed, resreve_p: 1 }), /did you mean "reserve_p"\?/);
  await refuses(yamlOf({ ...needed, horovod: 1 }), /unknown key "horovod"; see taugrad dpo --help/);
  await refuses(yamlOf({ ...needed, config: "x" }), /unknown key "config"/);
  await refuses(yamlOf({ ...needed, __proto__x: 1 }), /unknown key/);
});

test("a file that is no list of keys is refused with its line", async () => {
  await refuses("a: 1\nb: [1\n", /\.yaml:\d+: is not YAML/);
  await refuses("beta: 1\n'beta': 2\n", /\.yaml:2: 'beta' is there twice; leave one out$/);
  await refuses("{beta: 1, seed: 1, beta: 2}", /\.yaml:1: beta is there twice/);
  await refuses("- beta\n", /must hold "key: value" lines, holds \["beta"\]/);
  await refuses("just words", /must hold "key: value" lines/);
  await refuses(
    yamlOf({ ...needed, "max-steps": 1, max_steps: 2 }),
    /max_steps is there twice, once as max-steps; leave one out$/,
  );
  await refuses("a: &a [x, *a]\n", /./);
});

test("an option that takes one value is given once: however it is spelled, with whatever value", () => {
  const table = [...optionsOf("dpo")].filter(([, { many }]) => !many);
  const spellings = ([name, { flag }]: (typeof table)[number]) => [
    ...[name, name.replaceAll("_", "-")].flatMap((one) =>
      flag
        ? [[`--${one}`], [`--${one}=true`], [`--no-${one}`], [`--${one}`, "false"]]
        : [[`--${one}`, "1"], [`--${one}=1`]],
    ),
  ];
  const given = fc.constantFrom(...table).chain((option) => {
    const once = fc.constantFrom(...spellings(option));
    return fc.tuple(fc.constant(option[0]), once, once, fc.constantFrom([], ["--json"]));
  });
  fc.assert(
    fc.property(given, ([name, one, two, between]) => {
      if (name === "json" && between.length > 0) return;
      assert.ok(parseArguments("dpo", [...one, ...between]).values.has(name));
      const twice = { name: "InputError", message: `--${name} is given twice; it takes one value, leave one out` };
      assert.throws(() => parseArguments("dpo", [...one, ...between, ...two]), twice);
    }),
    { numRuns: 60 },
  );
  assert.throws(
    () => parseArguments("generate", ["--stop", "a", "--stop", "b", "--seed", "1", "--seed", "1"]),
    /--seed is/,
  );
  assert.throws(() => parseArguments("compare", ["a.yaml", "--grid", "b.yaml"]), /--grid is given twice/);
  const many = parseArguments("compare", ["a.yaml", "--sbatch=-p x", "--sbatch", "-A y"]).values.get("sbatch");
  assert.deepEqual(many, ["-p x", "-A y"]);
});

test("what is missing is named", async () => {
  const { dataset_name: _, ...rest } = needed;
  await refuses(yamlOf(rest), /needs dataset_name in the file, or --dataset_name PATH/);
  await refuses("", /needs model_name_or_path/);
  await assert.rejects(resolveValues("dpo", new Map()), /needs --config FILE, or --model_name_or_path DIR/);
});

test("null is what TRL and transformers make of it, or refused by name: every key", async () => {
  const meaning: Readonly<Record<string, unknown>> = { max_length: Number.POSITIVE_INFINITY, max_grad_norm: 0 };
  for (const [key, { flag, fallback: own }] of optionsOf("dpo")) {
    const fallback = key === "learning_rate" ? 1e-6 : own;
    if (key === "config" || key === "json" || key in needed) continue;
    const outcome = await resolved(yamlOf({ ...needed, [key]: null })).then(
      (values) => values[key],
      (error: Error) => error.message,
    );
    if (key in meaning) assert.equal(outcome, meaning[key], key);
    else if (typeof fallback === "boolean" || fallback === "auto") assert.ok(outcome === false || flag === false, key);
    else if (fallback !== undefined) assert.match(String(outcome), new RegExp(`yaml: ${key} is null`));
    else assert.ok(outcome === undefined || /is null; (leave|say|PEFT)/.test(String(outcome)), key);
  }
  await refuses(
    yamlOf({ ...needed, beta: "~" }),
    /yaml: beta is null, which says nothing of it; leave it out for 0\.1/,
  );
  await refuses(yamlOf({ ...needed, lora_target_modules: "null" }), /PEFT then chooses by the model; name them/);
  await refuses(yamlOf({ ...needed, learning_rte: "null" }), /unknown key "learning_rte"/);
  await refuses(yamlOf({ ...needed, model_name_or_path: "null" }), /needs model_name_or_path/);
});

test("case yaml-null: no cut, no clipping", async () => {
  const { max_length, max_grad_norm } = await resolved(
    readFileSync(goldenPath("cases", "yaml-null", "config.yaml"), "utf8"),
  );
  assert.deepEqual([max_length, max_grad_norm], [Number.POSITIVE_INFINITY, 0]);
});

test("settings are written so that they mean the same when they are read", async () => {
  const values = await resolved(yamlOf({ ...needed, max_length: "null", max_grad_norm: "null", beta: 0.2 }));
  const again = await resolved(await settingsOf(values));
  assert.deepEqual({ ...again, config: 0 }, { ...values, config: 0 });
});

/** Passes if `run` works, or refuses with one line; anything else is a fault. */
const worksOrRefuses = async (run: () => Promise<unknown>): Promise<void> => {
  try {
    await run();
  } catch (error) {
    const { code, message } = failure(error);
    assert.equal(code, 2, message);
    assert.ok(!message.includes("\n"), `one line: ${message}`);
  }
};

test("whatever words follow a command, they are understood or refused with one line", async () => {
  const odd = [
    "--",
    "-",
    "-h",
    "--=",
    "--=1",
    "-abc",
    "--__proto__",
    "--constructor=1",
    "--no-",
    "--help=no",
    "\n",
    "",
  ];
  const word = fc.oneof(
    fc.constantFrom(...odd),
    fc.constantFrom(...optionsOf("dpo").keys()).map((key) => `--${key}`),
    fc.tuple(fc.constantFrom(...optionsOf("dpo").keys()), fc.string()).map(([key, value]) => `--${key}=${value}`),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("dpo", "generate", "doctor"), fc.array(word, { maxLength: 6 }), (command, args) =>
      worksOrRefuses(async () => resolveValues(command, parseArguments(command, args).values)),
    ),
    { numRuns: 500 },
  );
});

test("whatever a file holds, it is understood or refused with one line", async () => {
  const scrap = fc.constantFrom(
    "&a",
    "*a",
    "<<:",
    "!!js",
    "? ",
    "- ",
    "{",
    "]",
    "|",
    "%YAML 1.1",
    "---",
    "\t",
    ": ",
    "beta",
  );
  const yaml = fc.array(fc.oneof(scrap, fc.string(), fc.constantFrom("\n", " ")), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(yaml, (parts) => worksOrRefuses(() => resolved(parts.join("")))),
    { numRuns: 300 },
  );
});
