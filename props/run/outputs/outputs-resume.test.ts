/** Law: what the observers of a run leave does not tell whether it was killed and resumed. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { TrainStep } from "../../../align/training/train.js";
import { resolveValues } from "../../../cli/config.js";
import { runOutputs } from "../../../run/outputs/outputs.js";
import { metricsFile, recordsIn } from "../../../run/running/metrics-file.js";
import { together } from "../../../run/running/observer.js";
import { scratch } from "../../cli/cli.js";

const root = scratch();
const STEPS = 12;
const keys = { model_name_or_path: "m", dataset_name: "d", output_dir: "out", logging_steps: 2 };
const values = await resolveValues("dpo", new Map(Object.entries(keys)) as never);

/** The numbers of a step, all of them functions of it. */
const recordOf = (step: number) => ({ step, loss: Math.sin(step), "rewards/margins": step / 8, epoch: step / 4 });

/**
 * A life of a run: from step `from` to step `to`, with a checkpoint every `saves` and an evaluation every third step. What it
 * says of records that it replaces.
 */
const live = async (folder: string, from: number, to: number, saves: number): Promise<readonly string[]> => {
  mkdirSync(folder, { recursive: true });
  const said: string[] = [];
  const facts = { label: "dpo", values, call: ["dpo"], device: "cpu" };
  const told = together([
    metricsFile((line) => said.push(line)),
    ...runOutputs({ ...facts, origin: undefined, fingerprint: "f" }),
  ]);
  await told.start({
    step: from,
    steps: STEPS,
    stepsPerEpoch: 4,
    label: "dpo",
    folder,
    records: from > 0 ? recordsIn(folder, from, assert.fail) : [],
  });
  for (let step = from + 1; step <= to; step++) {
    await told.step({ step, record: step % 2 === 0 ? recordOf(step) : undefined } as unknown as TrainStep);
    if (step % 3 === 0) await told.evaluation({ step, epoch: step / 4, eval_loss: Math.cos(step) });
    if (step % saves === 0) await told.saved(join(folder, `checkpoint-${step}`), step);
  }
  if (to === STEPS) await told.end();
  told.close();
  return said;
};

/** Every file's bytes, but for the clock in TensorBoard's events. */
const left = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => {
        const bytes = readFileSync(join(parentPath, name));
        return [name, name.includes("tfevents") ? withoutClock(bytes) : bytes.toString()];
      }),
  );

const withoutClock = (bytes: Buffer): string => {
  const events: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    events.push(bytes.subarray(at + 12 + 9, at + 12 + length).toString("hex"));
    at += 16 + length;
  }
  return events.join("\n");
};

const resumes = async ([saves, killed]: readonly [number, number]): Promise<void> => {
  const [whole, broken] = ["whole", "broken"].map((name) => join(root, name));
  for (const folder of [whole, broken]) rmSync(folder, { recursive: true, force: true });
  await live(whole, 0, STEPS, saves);
  assert.deepEqual(await live(broken, 0, killed, saves), []);
  const from = Math.floor(killed / saves) * saves;
  const said = (await live(broken, from, STEPS, saves)).join("\n");
  // What it begins anew and records again is not taken away in silence.
  const last = Math.max(killed - (killed % 2), killed - (killed % 3));
  if (from > 0 || last === 0) assert.equal(said, "");
  else assert.match(said, new RegExp(`metrics.jsonl: \\d+ records of an earlier run, to step ${last}, are replaced`));
  const expected = left(whole);
  assert.deepEqual(Object.keys(expected).sort(), [
    "README.md",
    "events.out.tfevents.0.taugrad",
    "loss.svg",
    "metrics.jsonl",
    "rewards.svg",
    "trainer_state.json",
  ]);
  assert.deepEqual(left(broken), expected);
};

test("metrics.jsonl, trainer_state.json, charts, events and card of a resumed run are those of an undisturbed one", () =>
  fc.assert(
    fc.asyncProperty(fc.tuple(fc.integer({ min: 1, max: STEPS }), fc.integer({ min: 0, max: STEPS - 1 })), resumes),
    { numRuns: 6 },
  ));
