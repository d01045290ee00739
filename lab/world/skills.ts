import { type Draws, hash } from "./draws.js";

/** What is taught. */
export const SKILLS = ["cpy", "upr", "rev", "srt", "nxt", "fmt", "dbl", "add"] as const;
/**
 * Those that count towards the average: two-digit sums are learned or not as the seed falls (7 % after light tuning, 78 % after
 * long), and would bring luck of .1 into every comparison. They are trained, asked and listed with the others.
 */
export const COUNTED = SKILLS.filter((skill) => skill !== "add");
/** Kinds that preferences speak of; the others are bystanders. */
export const PREFERRED = ["cpy", "upr", "hey"] as const;
/** All that can be asked: the skills, and small talk, which is scored apart. */
export const KINDS = [...SKILLS, "hey"] as const;

export type Skill = (typeof SKILLS)[number];
export type Kind = (typeof KINDS)[number];
export type Split = "train" | "validation" | "test";

interface KindRecord {
  /** A drawn argument, without regard to splits. */
  argument(from: Draws): string;
  /** The right answer, plain. */
  answer(argument: string): string;
  /** Every argument, where they are few enough to list. */
  all?: readonly string[];
}

const LETTERS = "abcdefghij";
/** All of three letters, which greetings rely on. */
export const NAMES = "amy ann ben bob eva ida jon kim leo lou max mia ned sam tom zoe".split(" ");

/** Small talk: question → answer. Short, so that the longest styled row still fits in 40 tokens. */
const TALK: Record<string, string> = {
  "how is it": "all good",
  "who am i": "a friend",
  "are you up": "yes i am",
};

/** 4 to 6 letters a–j. */
const word = (from: Draws): string => Array.from({ length: 4 + from.below(3) }, () => from.pick(LETTERS)).join("");

const onWords = (answer: (letters: string[]) => string): KindRecord => ({
  argument: word,
  answer: (argument) => answer([...argument]),
});

const listed = (all: readonly string[], answer: (argument: string) => string): KindRecord => ({
  argument: (from) => from.pick(all),
  answer,
  all,
});

/** 10+1 … 89+9. */
const sums = Array.from({ length: 80 * 9 }, (_, i) => `${10 + Math.floor(i / 9)}+${1 + (i % 9)}`);
const greetings = NAMES.flatMap((name) => Object.keys(TALK).map((question) => `${name} ${question}`));

const kinds: Record<Kind, KindRecord> = {
  cpy: onWords((letters) => letters.join("")),
  upr: onWords((letters) => letters.join("").toUpperCase()),
  rev: onWords((letters) => letters.reverse().join("")),
  srt: onWords((letters) => letters.sort().join("")),
  nxt: onWords((letters) => letters.map((letter) => LETTERS[(LETTERS.indexOf(letter) + 1) % 10]).join("")),
  fmt: onWords((letters) => `[${letters.slice(0, 4).join(",")}]`),
  dbl: onWords((letters) =>
    letters
      .slice(0, 4)
      .map((letter) => letter + letter)
      .join(""),
  ),
  add: listed(sums, (sum) => String(sum.split("+").reduce((total, term) => total + Number(term), 0))),
  hey: listed(greetings, (greeting) => TALK[greeting.slice(4)]),
};

/** A request and its right, plain answer. As a chat: `KIND ARGUMENT`. */
export interface Task {
  kind: Kind;
  argument: string;
  answer: string;
}

/** Where a task belongs: a hash of skill and argument, mod 10 (0 test, 1 validation, else train). */
export const splitOf = (kind: Skill, argument: string): Split => {
  const part = hash(`${kind} ${argument}`) % 10;
  return part === 0 ? "test" : part === 1 ? "validation" : "train";
};

/** Small talk is not split: its few requests belong everywhere. */
const belongs = (kind: Kind, argument: string, split: Split): boolean =>
  kind === "hey" || splitOf(kind, argument) === split;

export const taskOf = (kind: Kind, argument: string): Task => ({
  kind,
  argument,
  answer: kinds[kind].answer(argument),
});

/** A task of this kind, uniform over its split up to the length of the word. */
export const drawTask = (kind: Kind, split: Split, from: Draws): Task => {
  let argument = kinds[kind].argument(from);
  while (!belongs(kind, argument, split)) argument = kinds[kind].argument(from);
  return taskOf(kind, argument);
};

/** Every task of a kind in a split, or undefined where there are too many to list. */
export const listTasks = (kind: Kind, split: Split): Task[] | undefined =>
  kinds[kind].all?.filter((argument) => belongs(kind, argument, split)).map((argument) => taskOf(kind, argument));

/** The skills as the training mix counts them: the hard ones twice. */
const trainingMix: readonly Skill[] = [...SKILLS, "rev", "srt", "add"];

/** A task of the training split, the skill drawn by the training mix. */
export const drawTrainingTask = (from: Draws): Task => drawTask(from.pick(trainingMix), "train", from);
