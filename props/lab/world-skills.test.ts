/** The lab's vocabulary, its skills and their splits, and the draws beneath them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { draws, shuffled } from "../../lab/world/draws.js";
import { drawTask, type Kind, listTasks, SKILLS, splitOf, type Task, taskOf } from "../../lab/world/skills.js";
import { decode, encode, vocabulary } from "../../lab/world/vocabulary.js";
import { law, near, SHARES, SPLITS, seeds } from "./world.js";

test("world: the vocabulary is the stated one", () => {
  const stated = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789 \n()=+:!?>-,.[];";
  assert.equal(vocabulary.length, 67);
  assert.equal(vocabulary.join(""), `<pad><bos><u><a><e>${stated}`);
  for (const wrong of ["K", "<", "é", "<end>"]) assert.throws(() => encode(wrong), { name: "InputError" });
  for (const id of [-1, 67, 0.5]) assert.throws(() => decode([id]), { name: "InputError" });
});

law(
  "world: encode ∘ decode = id, and decode ∘ encode = id",
  (ids) => {
    assert.deepEqual(encode(decode(ids)), ids);
    assert.equal(decode(encode(decode(ids))), ids.map((id) => vocabulary[id]).join(""));
  },
  200,
  fc.array(fc.nat(66)),
);

law(
  "world: every skill is what its name says",
  (seed) => {
    const task = (kind: Kind): Task => drawTask(kind, "train", draws(seed, kind));
    const again = (kind: Kind, times: number, from: string): string =>
      Array.from({ length: times }).reduce<string>((word) => taskOf(kind, word).answer, from);
    for (const kind of ["cpy", "upr", "rev", "srt", "nxt", "fmt", "dbl"] as const)
      assert.match(task(kind).argument, /^[a-j]{4,6}$/);
    assert.equal(task("cpy").answer, task("cpy").argument);
    assert.equal(task("upr").answer.toLowerCase(), task("upr").argument);
    assert.match(task("upr").answer, /^[A-J]+$/);
    assert.equal(again("rev", 2, task("rev").argument), task("rev").argument);
    assert.equal(task("rev").answer[0], task("rev").argument.at(-1));
    assert.deepEqual(
      [...task("srt").answer],
      [...task("srt").argument].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0)),
    );
    assert.equal(again("nxt", 10, task("nxt").argument), task("nxt").argument);
    assert.equal(taskOf("nxt", "aij").answer, "bja");
    assert.match(task("fmt").answer, /^\[[a-j],[a-j],[a-j],[a-j]\]$/);
    assert.ok(task("fmt").argument.startsWith(task("fmt").answer.replace(/[[\],]/g, "")));
    assert.match(task("dbl").answer, /^(?:([a-j])\1){4}$/);
    assert.ok(task("dbl").argument.startsWith(task("dbl").answer.replace(/(.)\1/g, "$1")));
    const [, tens, ones] = /^(\d\d)\+(\d)$/.exec(task("add").argument) ?? [];
    assert.ok(Number(tens) >= 10 && Number(tens) <= 89 && Number(ones) >= 1 && Number(ones) <= 9);
    assert.equal(Number(task("add").answer) - Number(tens), Number(ones));
  },
  100,
  seeds,
);

test("world: small talk is 16 names × 3 questions, in letters", () => {
  const talk = listTasks("hey", "train") ?? [];
  assert.equal(new Set(talk.map(({ argument }) => argument)).size, 48);
  assert.equal(new Set(talk.map(({ argument }) => argument.split(" ")[0])).size, 16);
  for (const { argument, answer } of talk) assert.match(`${argument} ${answer}`, /^[a-z ]+$/);
});

test("world: a tenth of all sums is for testing, a tenth for validation, and splits cover all", () => {
  const parts = SPLITS.map((split) => listTasks("add", split) ?? []);
  assert.equal(parts.flat().length, 720);
  assert.equal(new Set(parts.flat().map(({ argument }) => argument)).size, 720);
  for (const [i, part] of parts.entries()) near(part.length, 720, SHARES[i], SPLITS[i]);
  for (const kind of SKILLS) {
    const from = draws(1, "words", kind);
    const words = Array.from({ length: 4000 }, () => Array.from({ length: 6 }, () => from.pick("abcdefghij")).join(""));
    for (const [i, split] of SPLITS.entries()) {
      near(words.filter((word) => splitOf(kind, word) === split).length, 4000, SHARES[i], `${kind} ${split}`);
    }
  }
});

law(
  "world: draws are uniform, and a shuffle loses nothing",
  (seed, sides) => {
    const from = draws(seed, "dice", sides);
    const counts = new Array<number>(sides).fill(0);
    for (let i = 0; i < 2000; i++) counts[from.below(sides)]++;
    for (const [side, count] of counts.entries()) near(count, 2000, 1 / sides, `side ${side} of ${sides}`);
    const items = counts.map((_, i) => i);
    assert.deepEqual(
      shuffled(items, from).sort((a, b) => a - b),
      items,
    );
  },
  50,
  seeds,
  fc.integer({ min: 2, max: 12 }),
);
