/** Laws of a run as a function: the command's bytes, silence, hooks, a stop that is gone on from, and keys by the table. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { InputError } from "../../core/errors.js";
import { TRAINING_KINDS } from "../../run/fit/kinds.js";
import { HOOKS } from "../../run/hooks.js";
import { type DpoRunOptions, dpo, kto, type RunStep, sft } from "../../run/index.js";
import { optionsFor } from "../../run/options/takes.js";
import { scratch, succeeds } from "../cli/cli.js";
import { goldenPath } from "../golden/files.js";

const folder = scratch();
const out = (name: string): string => join(folder, name);
const lines = readFileSync(goldenPath("preferences", "chat.jsonl"), "utf8").split("\n").slice(0, 16);
const rows = lines.map((line) => JSON.parse(line) as Readonly<Record<"prompt" | "chosen", object[]>>);
const file = out("rows.jsonl");
writeFileSync(file, lines.join("\n"));

/** Keys of a run of four steps. */
const keys = {
  model_name_or_path: goldenPath("preferences", "policy"),
  base_model_name_or_path: goldenPath("preferences", "sft"),
  ...({ optim: "ondare", alpha: 1e-3, reserve_p: 0.5, learning_rate: 1e-3, device: "cpu" } as const),
  ...{ max_length: 64, max_steps: 4, logging_steps: 1, per_device_train_batch_size: 2, save_steps: 2 },
};
const few = { max_steps: 1, save_strategy: "no", per_device_train_batch_size: 2 } as const;

/** The files of a run but for those that name a place or a time: the card, TensorBoard's events. */
const bytesOf = (name: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(out(name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/^README\.md$|tfevents/.test(entry.name))
      .map(({ parentPath, name: own }): [string, string] => [
        join(parentPath, own).slice(out(name).length),
        readFileSync(join(parentPath, own), "latin1").replaceAll(out(name), "OUT"),
      ]),
  );
const same = (a: string, b: string): void => {
  const [one, other] = [bytesOf(a), bytesOf(b)];
  assert.deepEqual([...one.keys()].sort(), [...other.keys()].sort());
  assert.ok(one.size > 8, [...one.keys()].join(" "));
  for (const [path, bytes] of one) assert.ok(bytes === other.get(path), `${path} differs`);
};

/** Runs what must say nothing on either stream. */
const inSilence = async <T>(run: () => Promise<T>): Promise<T> => {
  const said: string[] = [];
  const [listening, writes] = [process.eventNames(), [process.stdout, process.stderr].map((stream) => stream.write)];
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: string | Uint8Array) => boolean;
    // Bytes are what node's test runner tells its parent.
    stream.write = ((chunk: string | Uint8Array) => {
      if (typeof chunk !== "string") return write(chunk);
      said.push(chunk);
      return true;
    }) as typeof stream.write;
  }
  try {
    return await run();
  } finally {
    [process.stdout, process.stderr].forEach((stream, i) => {
      stream.write = writes[i];
    });
    assert.deepEqual(said, []);
    assert.deepEqual(
      process.eventNames().filter((name) => !listening.includes(name)),
      [],
      "a run listens to nothing when it has ended",
    );
  }
};

test("a run as a function leaves the command's bytes, from rows in memory too, and says nothing", async () => {
  const flags = Object.entries(keys).flatMap(([key, value]) => [`--${key}`, String(value)]);
  await succeeds(["dpo", ...flags, "--dataset_name", file, "--output_dir", out("command")]);
  const steps: RunStep[] = [];
  const [logged, saved, notes]: [number[], string[], string[]] = [[], [], []];
  const result = await inSilence(() =>
    dpo({
      ...{ ...keys, dataset_name: file, output_dir: out("named") },
      onStep: (step) => void steps.push(step),
      onLog: ({ loss }) => void logged.push(loss),
      onSave: (checkpoint) => void saved.push(checkpoint),
      onNote: (line) => void notes.push(line),
    }),
  );
  same("command", "named");
  assert.deepEqual(
    steps.map(({ step, steps }) => [step, steps]),
    [1, 2, 3, 4].map((step) => [step, 4]),
  );
  assert.deepEqual([logged.length, logged.at(-1)], [4, result.metrics?.loss]);
  assert.deepEqual(
    saved,
    [2, 4].map((step) => join(out("named"), `checkpoint-${step}`)),
  );
  assert.ok(
    notes.some((line) => line.startsWith(`${file}: 16 rows`)),
    notes.join("\n"),
  );
  const { stopped, step, checkpoint, records, peakBytes } = result;
  assert.deepEqual([stopped, step, checkpoint, records.length], [false, 4, saved[1], 4]);
  assert.ok(peakBytes > 0);

  await inSilence(() => dpo({ ...keys, train_dataset: rows, output_dir: out("memory") }));
  same("command", "memory");
});

test("a signal ends a run with a checkpoint, and what goes on from there is the undisturbed run, bit for bit", async () => {
  const options = { ...keys, train_dataset: rows, output_dir: out("stopped") };
  const controller = new AbortController();
  const half = await inSilence(() =>
    dpo({
      ...{ ...options, signal: controller.signal },
      onStep: ({ step }) => {
        if (step === 3) controller.abort();
      },
    }),
  );
  assert.deepEqual(
    [half.stopped, half.step, half.steps, half.checkpoint],
    [true, 3, 4, join(out("stopped"), "checkpoint-3")],
  );
  await assert.rejects(dpo(options), (error: Error) =>
    /holds checkpoint-3 .*; add resume: true to go on/.test(error.message),
  );
  const whole = await dpo({ ...options, resume: true, save_total_limit: 1 });
  assert.deepEqual([whole.stopped, whole.step], [false, 4]);
  for (const name of ["model.safetensors", "metrics.jsonl", "checkpoint-4/training_state.safetensors"])
    assert.ok(readFileSync(join(out("stopped"), name)).equals(readFileSync(join(out("command"), name))), name);
  const reason = new Error("not today");
  const never = { ...options, output_dir: out("never"), signal: AbortSignal.abort(reason) };
  await assert.rejects(dpo(never), (error) => error === reason);
  assert.ok(!readdirSync(folder).includes("never"));
});

test("what a hook throws ends the run after a checkpoint; two runs at once in one folder are refused, in two are two", async () => {
  const own = { ...keys, ...few, train_dataset: rows };
  const thrown = new Error("enough");
  const failing = dpo({
    ...{ ...own, output_dir: out("thrown") },
    onLog: () => {
      throw thrown;
    },
  });
  await assert.rejects(failing, (error) => error === thrown);
  assert.ok(readdirSync(out("thrown")).includes("checkpoint-1"));
  const [first, second, third] = await Promise.allSettled([
    dpo({ ...own, output_dir: out("twins") }),
    dpo({ ...own, output_dir: out("twins") }),
    dpo({ ...own, output_dir: out("other") }),
  ]);
  assert.deepEqual([first.status, third.status], ["fulfilled", "fulfilled"]);
  assert.ok(
    second.status === "rejected" && /twins: .* writes there/.test(String(second.reason)),
    String(second.status),
  );
  const model = (name: string) => readFileSync(join(out(name), "model.safetensors"));
  assert.ok(model("twins").equals(model("other")));
});

test("sft and kto run too, and a dry run writes nothing", async () => {
  const { base_model_name_or_path: _, optim: __, alpha: ___, reserve_p: ____, ...plain } = keys;
  const kinds = { ...plain, ...few, train_dataset: rows };
  const answers = rows.map((row) => ({ messages: [...row.prompt, ...row.chosen] }));
  const tuned = await sft({
    ...kinds,
    train_dataset: answers,
    output_dir: out("sft"),
    lr_scheduler_type: "constant",
    max_length: null,
  });
  assert.ok((tuned.metrics?.loss ?? 0) > 0);
  const judged = await kto({ ...kinds, output_dir: out("kto"), desirable_weight: 2, per_device_train_batch_size: 8 });
  assert.ok(judged.metrics !== undefined && "rewards/chosen" in judged.metrics);
  const notes: string[] = [];
  const held = { eval_dataset: kinds.train_dataset.slice(0, 2), onNote: (line: string) => void notes.push(line) };
  const plan = await dpo({ ...kinds, ...held, output_dir: out("plan"), loss_type: "ipo", dry_run: true });
  assert.ok(notes.some((line) => /^warning: rows in memory: all \d rows to evaluate on are trained on too/.test(line)));
  assert.deepEqual([plan.command, plan.steps, plan.config.loss_type, plan.device], ["dpo", 1, ["ipo"], "cpu"]);
  assert.ok(!readdirSync(folder).includes("plan"));
});

test("keys are read by the table: what is wrong is refused in one line, with what was meant", async () => {
  const good = { ...keys, ...few, train_dataset: rows, output_dir: out("refused") };
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ learning_rat: 1 }, /^dpo: unknown key "learning_rat"; did you mean "learning_rate"\?$/],
    [{ onstep: () => {} }, /^dpo: unknown key "onstep"; did you mean "onStep"\?$/],
    [{ train_datset: rows }, /^dpo: unknown key "train_datset"; did you mean "train_dataset"\?$/],
    [{ desirable_weight: 1 }, /^dpo: "desirable_weight" is a key of kto, not of dpo$/],
    [{ config: "dpo.yaml" }, /^dpo: unknown key "config"/],
    [{ learning_rate: -1 }, /^dpo: learning_rate is -1; it must be a number ≥ 0$/],
    [{ optim: "adam" }, /^dpo: optim is "adam"; did you mean "adamw"\?$/],
    [{ load_in_4bit: true }, /^dpo: load_in_4bit is true: /],
    [{ onStep: 1 }, /^dpo: onStep is 1; it must be a function$/],
    [{ signal: 1 }, /^dpo: signal is 1; it must be an AbortSignal$/],
    [{ signal: {} }, /^dpo: signal is {}; it must be an AbortSignal$/],
    [{ train_dataset: undefined }, /^dpo needs dataset_name, or rows as train_dataset \(/],
    [{ train_dataset: "rows.jsonl" }, /^dpo: train_dataset is "rows.jsonl"; it must be an array of rows$/],
    [{ dataset_name: file }, /^dpo: dataset_name is given beside train_dataset/],
    [{ train_dataset: [] }, /^the rows in memory: holds no rows$/],
    [{ train_dataset: [{ prompt: 1n }] }, /^row 1: is nothing that JSON can hold \(/],
    [{ train_dataset: [rows[0], { prompt: "a" }] }, /^row 2: /],
    [{ output_dir: undefined }, /^dpo needs output_dir \(/],
  ];
  for (const [change, message] of refused)
    await assert.rejects(dpo({ ...good, ...change } as DpoRunOptions as never), (error: Error) => {
      assert.ok(error instanceof InputError, `${error}`);
      assert.match(error.message, message);
      return !error.message.includes("\n");
    });
  assert.ok(!readdirSync(folder).includes("refused"));
});

test("what Deno does not allow is one line that names the flags, and the error it was", async () => {
  const { env } = process;
  const forbidden = Object.assign(new Error('Requires env access to "X", run again with the --allow-env flag'), {
    name: "NotCapable",
  });
  process.env = new Proxy(env, {
    get: (_, name) => {
      if (/^OMPI_/.test(String(name))) throw forbidden;
      return env[String(name)];
    },
  });
  const run = dpo({ ...keys, dataset_name: file, output_dir: out("forbidden") });
  await assert
    .rejects(run, (error: InputError) => {
      assert.match(error.message, /^dpo: Deno: Requires env access to "X".*; a run needs --allow-env --allow-read .*$/);
      assert.deepEqual([error.name, error.cause], ["InputError", forbidden]);
      return true;
    })
    .finally(() => {
      process.env = env;
    });
});

test("no key of the table is called as a hook is", () => {
  for (const kind of TRAINING_KINDS)
    for (const name of [...Object.keys(HOOKS), "train_dataset"]) assert.ok(!optionsFor(kind).has(name as never), name);
});
