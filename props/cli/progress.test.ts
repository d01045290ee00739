/** The progress line: plain where it is piped, redrawn in place on a terminal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { progress } from "../../cli/progress.js";
import { law } from "../lab/world.js";

/** A run of `total` steps, one every `pace` seconds, and all that it wrote. */
const watch = (total: number, pace: number, stream: { isTTY?: boolean; columns?: number }, steps = total): string[] => {
  const written: string[] = [];
  let time = 0;
  const line = progress({
    label: "dpo",
    total,
    every: 5,
    now: () => time,
    stream: { ...stream, write: (text) => written.push(text) },
  });
  for (let step = 1; step <= steps; step++) {
    time += pace;
    line.step(step, { loss: 0.5, tokens: 1000 });
  }
  line.done();
  line.done();
  return written;
};

law(
  "progress, piped: whole lines, no control codes, seconds apart, the last step always",
  (total, pace) => {
    const written = watch(total, pace, {});
    assert.ok(written.every((line) => /^[ -~]+\n$/.test(line)));
    assert.match(written.at(-1) ?? "", new RegExp(`^dpo ${total}/${total}  loss 0.5000  took `));
    assert.equal(new Set(written).size, written.length, "no line twice");
    assert.ok(written.length <= 1 + (total * pace) / 5);
    assert.ok(written.length >= Math.floor((total * pace) / (5 + pace)));
  },
  100,
  fc.integer({ min: 1, max: 400 }),
  fc.integer({ min: 1, max: 64 }).map((n) => n / 8),
);

law(
  "progress, on a terminal: one line, redrawn in place, never wrapped, ended once",
  (total, columns) => {
    const text = watch(total, 0.25, { isTTY: true, columns }).join("");
    assert.equal(text.split("\n").length, 2);
    assert.ok(text.endsWith("\n"));
    for (const drawn of text.trimEnd().split("\r").slice(1)) {
      assert.ok(drawn.endsWith("\x1b[K") && drawn.length - "\x1b[K".length < columns);
    }
  },
  50,
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 10, max: 200 }),
);

test("progress: time left and speed leave out the first step", () => {
  const [line] = watch(100, 5, {}, 3).slice(-1);
  assert.equal(line, "dpo   3/100  loss 0.5000  left 8:05  200 tokens/s\n");
  assert.deepEqual(watch(5, 1, {}, 0), []);
});
