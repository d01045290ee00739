/** Laws of what a damaged, full or foreign disk does to records, events and the files beside them: nothing is lost without a word. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openRecords } from "../../../align/training/writer.js";
import { resolveValues } from "../../../cli/config.js";
import { runOutputs } from "../../../run/outputs/outputs.js";
import { tensorboard } from "../../../run/outputs/tensorboard.js";
import { recordsIn } from "../../../run/running/metrics-file.js";
import { together } from "../../../run/running/observer.js";
import { scratch } from "../../cli/cli.js";
import { law } from "../../lab/world.js";
import { decode } from "./event-decoder.js";

const folder = scratch();

law(
  "a damaged line costs itself alone and is told; the lines after it stay, the last one also without its line break",
  (damages, keep, broken) => {
    const path = join(folder, "metrics.jsonl");
    const lines = damages.map((_, i) => JSON.stringify({ step: i + 1, loss: i / 8 }));
    const written = lines.map((line, i) => (damages[i] < line.length ? `${line.slice(0, damages[i])}\u0000` : line));
    writeFileSync(path, `${written.join("\n")}${broken ? "" : "\n"}`);
    const said: string[] = [];
    const file = openRecords(path, { keepTo: keep, tell: (line) => said.push(line) });
    file.close();
    const expected = lines.filter((line, i) => i < keep && damages[i] >= line.length);
    assert.equal(readFileSync(path, "utf8"), expected.map((line) => `${line}\n`).join(""));
    const isLost = damages.some((at, i) => i < keep && at < lines[i].length);
    if (isLost) assert.match(said.join("\n"), /^warning: \S+metrics\.jsonl: [^\n]+$/);
    assert.ok(said.length <= 1);
  },
  40,
  fc.array(fc.nat(60), { minLength: 1, maxLength: 8 }),
  fc.nat(9),
  fc.boolean(),
);

law(
  "whole lines that are gone, and a file that is, are told too: the checkpoint says how many records there were",
  (written, left, isGone) => {
    const own = mkdtempSync(join(folder, "records-"));
    const lines = Array.from({ length: written }, (_, i) => `${JSON.stringify({ step: i + 1, loss: i / 8 })}\n`);
    const there = isGone ? 0 : Math.min(left, written);
    if (!isGone) writeFileSync(join(own, "metrics.jsonl"), lines.slice(0, there).join(""));
    const said: string[] = [];
    assert.equal(recordsIn(own, written, (line) => said.push(line), written).length, there);
    assert.equal(said.length, Number(there < written));
    if (there < written)
      assert.match(said[0], new RegExp(`metrics.jsonl: holds ${there} records .*, and ${written} were written`));
  },
  10,
  fc.nat(6),
  fc.nat(6),
  fc.boolean(),
);

const rebuilt = async ([steps, from, at, bit]: readonly [number, number, number, number]): Promise<void> => {
  const own = mkdtempSync(join(folder, "events-"));
  const records = Array.from({ length: steps }, (_, i) => ({ step: i + 1, loss: i / 8 }));
  const said: string[] = [];
  const start = (step: number) => ({
    ...{ folder: own, label: "sft", steps, stepsPerEpoch: steps, step },
    records: records.slice(0, step),
  });
  const path = join(own, "runs", "events.out.tfevents.0.taugrad");
  const first = tensorboard(assert.fail);
  await first.start?.(start(0));
  for (const record of records) await first.step?.({ step: record.step, record } as never);
  first.close?.();
  const whole = decode(path);
  const bytes = readFileSync(path);
  bytes[at % bytes.length] ^= 1 << bit;
  writeFileSync(path, bytes);
  const step = Math.min(from, steps);
  const second = tensorboard((line) => said.push(line));
  await second.start?.(start(step));
  for (const record of records.slice(step)) await second.step?.({ step: record.step, record } as never);
  second.close?.();
  const values = (events: ReturnType<typeof decode>) => events.slice(1).map(({ step, scalars }) => [step, scalars]);
  if (step > 0) assert.deepEqual(values(decode(path)), values(whole));
  assert.ok(
    said.every((line) => /^warning: \S+taugrad: [^\n]+$/.test(line)),
    said.join("\n"),
  );
};

test("events that were damaged are made again from the records of the run, with a word", () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.nat(1000), fc.nat(7)),
      rebuilt,
    ),
    { numRuns: 25 },
  ));

test("files that only people read, and events, end no run", async () => {
  const own = mkdtempSync(join(folder, "no-"));
  for (const name of ["loss.svg", "README.md"]) mkdirSync(join(own, name));
  writeFileSync(join(own, "runs"), "");
  const said: string[] = [];
  const keys = { model_name_or_path: "m", dataset_name: "d", output_dir: "out" };
  const values = await resolveValues("dpo", new Map(Object.entries(keys)) as never);
  const facts = { label: "dpo", values, call: [], device: "cpu", origin: undefined };
  const told = together(runOutputs({ ...facts, fingerprint: undefined }, (line) => said.push(line)));
  await told.start({ folder: own, label: "dpo", steps: 2, stepsPerEpoch: 2, step: 0, records: [] });
  for (const step of [1, 2]) await told.step({ step, record: { step, loss: 1 } } as never);
  await told.end();
  told.close();
  assert.deepEqual(
    said.map(
      (line) =>
        /^warning: \S+?(runs\S*|loss\.svg|README\.md): .*; the run goes on without/.exec(line)?.[1].split("/")[0],
    ),
    ["runs", "loss.svg", "README.md"],
    said.join("\n"),
  );
  assert.ok(readFileSync(join(own, "trainer_state.json")).length > 0);
});
