/** The lab's world: its text can be read back, its splits are apart, its mix is the stated one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { TrainingBatch } from "../../align/data/rows.js";
import { type Batch, baseBatch, pairBatch, sftBatch, toBatch } from "../../lab/world/batch.js";
import {
  baseRows,
  evaluationPrompts,
  preferencePairs,
  ROW_LENGTH,
  type Row,
  sftRows,
} from "../../lab/world/documents.js";
import { draws } from "../../lab/world/draws.js";
import { ANSWER_TOKENS } from "../../lab/world/score.js";
import { KINDS, type Kind, listTasks, SKILLS, type Skill, type Split, taskOf } from "../../lab/world/skills.js";
import { trainingAnswers, trainingPairs } from "../../lab/world/stages.js";
import { isStyled, styled } from "../../lab/world/style.js";
import { BOS, decode, PAD } from "../../lab/world/vocabulary.js";
import { law, near, SPLITS, seeds, tasks } from "./world.js";

/** The tasks that a text asks and answers, in either form: `skill(arg)=answer` lines, or one chat turn. */
const tasksIn = (text: string): { kind: Kind; argument: string; answer: string }[] => {
  const body = text.replace("<bos>", "");
  const chat = /^<u>(\w+) (.+)<a>(.+)<e>$/s.exec(body);
  if (chat) return [{ kind: chat[1] as Kind, argument: chat[2], answer: chat[3] }];
  return body.split("\n").flatMap((line) => {
    const call = /^(\w{3})\((.+?)\)=(.+)$/.exec(line);
    if (!call) assert.match(line, /^[a-z ]+\.$/);
    return call ? [{ kind: call[1] as Kind, argument: call[2], answer: call[3] }] : [];
  });
};

law(
  "world: every row fits, tells no falsehood and can be read back",
  (seed, instructed) => {
    const base = baseRows(draws(seed, "base"), 60, { instructed });
    const pairs = preferencePairs(seed, "train", 30);
    const rows = [
      ...base,
      ...sftRows(draws(seed, "sft"), 60),
      ...pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]),
    ];
    for (const { ids, given } of rows) {
      const text = decode(ids);
      assert.ok(ids.length <= ROW_LENGTH, `${ids.length} tokens: ${text}`);
      assert.ok(ids[0] === BOS && given >= 1 && given < ids.length && !ids.includes(PAD));
      for (const { kind, argument, answer } of tasksIn(text)) {
        const plain = taskOf(kind, argument).answer;
        assert.ok(answer === plain || answer === styled(plain), text);
      }
    }
    for (const { ids } of base) assert.ok(decode(ids).length <= "<bos>".length + 39 || decode(ids).endsWith("<e>"));
  },
  30,
  seeds,
  fc.constantFrom(0, 0.03, 1),
);

law(
  "world: any right answer, styled, fits in the tokens of an answer",
  (task) => {
    assert.ok(styled(task.answer).length + 1 <= ANSWER_TOKENS);
  },
  200,
  tasks,
);

law(
  "world: train, validation and test share no task, but for small talk",
  (seed) => {
    const learned = new Set<string>();
    const collect = (row: Row): void => {
      for (const { kind, argument } of tasksIn(decode(row.ids))) if (kind !== "hey") learned.add(`${kind} ${argument}`);
    };
    baseRows(draws(seed, "base"), 500, { instructed: 0.03 }).forEach(collect);
    sftRows(draws(seed, "sft"), 1000).forEach(collect);
    for (const { chosen } of preferencePairs(seed, "train", 300)) collect(chosen);
    const asked = (split: Split): Set<string> =>
      new Set(
        [...evaluationPrompts(seed, split, 96), ...preferencePairs(seed, split, 256)]
          .map(({ task }) => task)
          .filter(({ kind }) => kind !== "hey")
          .map(({ kind, argument }) => `${kind} ${argument}`),
      );
    const [validation, held] = [asked("validation"), asked("test")];
    assert.ok(learned.size > 1000 && validation.size > 700 && held.size > 700);
    for (const task of validation) assert.ok(!held.has(task), task);
    for (const task of learned) assert.ok(!validation.has(task) && !held.has(task), task);
  },
  5,
  seeds,
);

law(
  "world: the mix is the stated one",
  (seed) => {
    const texts = (rows: Row[]): string[] => rows.map(({ ids }) => decode(ids));
    const doubled = (kind: Skill): number => (["rev", "srt", "add"].includes(kind) ? 2 : 1) / 11;

    const base = texts(baseRows(draws(seed, "base"), 3000, { instructed: 0 }));
    const answered = base.flatMap(tasksIn);
    const lines = base.flatMap((text) => text.split("\n")).length;
    near(lines - answered.length, lines, 0.1, "filler lines");
    near(answered.filter(({ answer }) => isStyled(answer)).length, answered.length, 0.2, "styled in base text");
    for (const skill of SKILLS)
      near(
        answered.filter(({ kind }) => kind === skill).length,
        answered.length,
        doubled(skill),
        `${skill} in base text`,
      );

    const light = texts(baseRows(draws(seed, "light"), 3000, { instructed: 0.03 }));
    near(light.filter((text) => text.startsWith("<bos><u>")).length, 3000, 0.03, "documents in instruction form");

    const turns = texts(sftRows(draws(seed, "sft"), 3000)).flatMap(tasksIn);
    const serious = turns.filter(({ kind }) => kind !== "hey");
    near(3000 - serious.length, 3000, 0.12, "small talk in SFT");
    near(turns.filter(({ answer }) => isStyled(answer)).length, 3000, 0.25, "styled in SFT");
    for (const skill of SKILLS)
      near(serious.filter(({ kind }) => kind === skill).length, serious.length, doubled(skill), `${skill} in SFT`);

    const pairs = preferencePairs(seed, "train", 2048).map(({ task }) => task.kind);
    for (const [kind, share] of [
      ["hey", 0.4],
      ["cpy", 0.3],
      ["upr", 0.3],
    ] as const) {
      near(pairs.filter((drawn) => drawn === kind).length, 2048, share, `${kind} in preferences`);
    }
  },
  10,
  seeds,
);

law(
  "world: a pair is one prompt, its right answer styled over plain",
  (seed) => {
    for (const { task, chosen, rejected } of preferencePairs(seed, "test", 50)) {
      assert.equal(chosen.given, rejected.given);
      assert.deepEqual(chosen.ids.slice(0, chosen.given), rejected.ids.slice(0, rejected.given));
      assert.equal(decode(chosen.ids.slice(chosen.given)), `${styled(task.answer)}<e>`);
      assert.equal(decode(rejected.ids.slice(rejected.given)), `${task.answer}<e>`);
    }
  },
  20,
  seeds,
);

law(
  "world: KTO learns from the same pairs in the same order, and meets each prompt once more with its neighbour's answer",
  (seed, batch) => {
    const setting = { pairs: 4 * batch, steps: 3, batch, warmup: 0 };
    const textsOf = ({ ids, rows, length }: TrainingBatch): string[] =>
      Array.from({ length: rows }, (_, b) => decode(ids.slice(b * length, (b + 1) * length)).replace(/(<pad>)+$/, ""));
    const pairs = trainingPairs(seed, setting);
    trainingAnswers(seed, setting).forEach((answers, step) => {
      const texts = textsOf(answers);
      const [own, met] = [texts.slice(0, 2 * batch), texts.slice(2 * batch)];
      assert.deepEqual(own, textsOf(pairs[step]));
      assert.deepEqual(
        [...(answers.desirable ?? [])],
        own.map((_, i) => Number(i < batch)),
      );
      const [prompts, said] = [0, 1].map((part) => own.map((text) => text.split("<a>")[part]));
      assert.deepEqual(
        met,
        prompts.map((prompt, i) => `${prompt}<a>${said[(i + own.length - 1) % own.length]}`),
      );
    });
  },
  20,
  seeds,
  fc.integer({ min: 1, max: 6 }),
);

law(
  "world: prompts: so many of each kind, distinct while the kind has that many",
  (seed, perKind, split) => {
    const prompts = evaluationPrompts(seed, split, perKind);
    for (const kind of KINDS) {
      const asked = prompts.filter(({ task }) => task.kind === kind).map(({ task }) => task.argument);
      assert.equal(asked.length, perKind);
      assert.equal(new Set(asked).size, Math.min(perKind, listTasks(kind, split)?.length ?? perKind));
    }
    for (const { task, ids } of prompts) assert.equal(decode(ids), `<bos><u>${task.kind} ${task.argument}<a>`);
  },
  20,
  seeds,
  fc.integer({ min: 1, max: 96 }),
  fc.constantFrom(...SPLITS),
);

law(
  "world: the mask marks what is to be learned, and nothing else",
  (seed) => {
    const check = (batch: Batch, learned: (text: string) => string): void => {
      assert.deepEqual([batch.ids.length, batch.mask.length], [batch.rows * batch.length, batch.rows * batch.length]);
      for (let b = 0; b < batch.rows; b++) {
        const ids = [...batch.ids.subarray(b * batch.length, (b + 1) * batch.length)];
        const mask = batch.mask.subarray(b * batch.length, (b + 1) * batch.length);
        const text = decode(ids).replace(/(<pad>)+$/, "");
        assert.ok(mask.every((weight) => weight === 0 || weight === 1) && mask[0] === 0);
        assert.equal(decode(ids.filter((_, t) => mask[t] === 1)), learned(text));
      }
    };
    check(baseBatch(seed, 3, 20, { instructed: 0.5 }), (text) => text.slice("<bos>".length));
    const completion = (text: string): string => text.split("<a>")[1];
    check(sftBatch(seed, 3, 20), completion);
    const pairs = preferencePairs(seed, "train", 10);
    check(pairBatch(pairs), completion);
    assert.deepEqual(pairBatch(pairs).ids.subarray(0, 10 * ROW_LENGTH), toBatch(pairs.map(({ chosen }) => chosen)).ids);
    assert.throws(() => toBatch([{ ids: [1, 5, 6], given: 1 }], 2), { name: "ShapeError" });
  },
  20,
  seeds,
);

law(
  "world: everything is a function of seed and step",
  (seed, step) => {
    const everything = (seed: number, step: number): unknown => [
      baseBatch(seed, step, 8, { instructed: 0.03 }),
      sftBatch(seed, step, 8),
      preferencePairs(seed, "train", 8),
      evaluationPrompts(seed, "test", 3),
    ];
    const [before] = [everything(seed, step), sftBatch(seed, step + 1, 8)];
    assert.deepEqual(everything(seed, step), before);
    assert.notDeepEqual(everything(seed + 1, step), before);
    assert.notDeepEqual(
      baseBatch(seed, step + 1, 8, { instructed: 0 }).ids,
      baseBatch(seed, step, 8, { instructed: 0 }).ids,
    );
    assert.notDeepEqual(sftBatch(seed, step + 1, 8).ids, sftBatch(seed, step, 8).ids);
  },
  30,
  seeds,
  fc.nat(2000),
);
