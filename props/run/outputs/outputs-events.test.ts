/** TensorBoard event files: read back by a decoder of the test's own, whole at any moment. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openRecords } from "../../../align/training/writer.js";
import { crc32c, openEvents } from "../../../run/outputs/event-file.js";
import { scratch } from "../../cli/cli.js";
import { law } from "../../lab/world.js";
import { decode } from "./event-decoder.js";

const folder = scratch();

test("CRC-32C of the check string, and RFC 3720's vectors", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

const runs = fc
  .uniqueArray(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 12 })
  .map((steps) => steps.sort((a, b) => a - b))
  .chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      kept: fc.nat(steps.length - 1),
      torn: fc.nat(40),
      values: fc.array(fc.float(), { minLength: 1, maxLength: 4 }),
    }),
  );

law(
  "event files hold what was written, and a resumed one what an undisturbed one holds, also after a torn write",
  ({ steps, kept, torn, values }) => {
    const path = join(folder, "runs", "events.out.tfevents.0");
    const scalars = (step: number) => Object.fromEntries(values.map((v, i) => [`train/rewards/${i}`, v + step]));
    const first = openEvents(path);
    for (const step of steps) first.write(step, scalars(step));
    first.close();
    const whole = decode(path);
    assert.equal(whole[0].version, "brain.Event:2");
    assert.deepEqual(
      whole.slice(1).map(({ step, scalars: found }) => [step, found]),
      steps.map((step) => [step, Object.entries(scalars(step)).map(([tag, v]) => [tag, Math.fround(v)])]),
    );
    truncateSync(path, Math.max(0, readFileSync(path).length - torn));
    appendFileSync(path, Buffer.alloc(torn % 7));
    const second = openEvents(path, { keepTo: steps[kept] });
    const there = decode(path).at(-1)?.step ?? 0;
    for (const step of steps) if (step > there || (step === 0 && there === 0)) second.write(step, scalars(step));
    second.close();
    second.close();
    const again = decode(path);
    if (steps[0] > 0) assert.deepEqual(again, whole);
    assert.equal(again.at(-1)?.step, steps.at(-1));
  },
  60,
  runs,
);

law(
  "metrics.jsonl, cut back to a step, keeps the lines of steps up to it, byte for byte, and drops a torn one",
  (steps, keep, torn) => {
    const path = join(folder, "metrics.jsonl");
    const lines = steps.sort((a, b) => a - b).map((step) => `${JSON.stringify({ step, loss: "NaN", é: step / 8 })}\n`);
    const first = openRecords(path);
    for (const line of lines) first.write(JSON.parse(line) as Record<string, unknown>);
    first.close();
    assert.equal(readFileSync(path, "utf8"), lines.join(""));
    appendFileSync(path, '{"step":0,"loss":0.25}'.slice(0, torn));
    const second = openRecords(path, { keepTo: keep });
    const expected = lines.filter((_, i) => steps[i] <= keep);
    assert.equal(readFileSync(path, "utf8"), expected.join(""));
    assert.deepEqual(
      second.kept,
      expected.map((line) => JSON.parse(line)),
    );
    second.write({ step: keep + 1 });
    second.close();
    assert.equal(readFileSync(path, "utf8"), `${expected.join("")}{"step":${keep + 1}}\n`);
  },
  60,
  fc.array(fc.nat(20), { maxLength: 12 }),
  fc.nat(20),
  fc.nat(21),
);
