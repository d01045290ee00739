/** `taugrad chat` line by line, and what reaches a terminal. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import type { Lines } from "../../cli/speaking/lines.js";
import { converse } from "../../cli/speaking/talk.js";
import { InputError } from "../../core/errors.js";
import type { Conversation } from "../../models/index.js";
import { harmless } from "../../run/harmless.js";
import { goldenPath } from "../golden/files.js";
import { command, taugrad } from "./cli.js";

/** A conversation that answers with what it is told, a character a token, and notes what is done with it. */
const parrot = (done: string[], fault?: string): Conversation => ({
  messages: () => [],
  say: async function* (text) {
    done.push(`say ${text}`);
    if (fault !== undefined) throw new InputError(fault);
    for (const [i, c] of [...text].entries())
      yield i + 1 < text.length ? { token: 0, text: c } : { token: 0, text: c, end: "eos" };
  },
  reset: () => done.push("reset"),
  setSystem: (text) => done.push(`system ${text}`),
  free: () => {},
});

/** Lines at hand; `stopAfter` is how many questions to `isStopped` are answered with no. */
const linesOf = (all: readonly string[], isTerminal: boolean, stopAfter = Number.POSITIVE_INFINITY): Lines => {
  let [next, asked] = [0, 0];
  return {
    isTerminal,
    next: async () => all[next++],
    answering: () => {},
    isStopped: () => ++asked > stopAfter,
    close: () => {},
  };
};

const talk = async (lines: Lines, fault?: string) => {
  const [done, said, words]: [string[], string[], string[]] = [[], [], []];
  const ear = { answer: (text: string) => said.push(text), word: (line: string) => words.push(line) };
  await converse(parrot(done, fault), lines, ear);
  return { done, answers: said.join(""), words: words.join("\n") };
};

test("a line is a turn; commands do what /help says of them; // says /", async () => {
  const { done, answers, words } = await talk(
    linesOf(["one", "", "/system be brief", "  ", "//etc", "/reset", "/system", "/help", "/exit", "more"], false),
  );
  assert.deepEqual(done, ["say one", "system be brief", "say /etc", "reset", "system undefined"]);
  assert.equal(answers, "one\n/etc\n");
  for (const word of ["/reset", "/system", "/exit", "Ctrl-C"]) assert.ok(words.includes(word), word);
});

test("Ctrl-C ends the answer, not the talk", async () => {
  const { done, answers, words } = await talk(linesOf(["abcdef", "again"], true, 2));
  assert.deepEqual(done, ["say abcdef", "say again"]);
  assert.equal(answers, "abc\na\n");
  assert.match(words, /stopped/);
});

test("at a terminal a fault is told and the talk goes on; elsewhere it ends with it", async () => {
  const { done, words } = await talk(linesOf(["/rest", "x", "/toString"], true), "the context is full");
  assert.deepEqual(done, ["say x"]);
  assert.match(words, /no command "\/rest"; did you mean \/reset\?/);
  assert.match(words, /the context is full/);
  assert.match(words, /no command "\/toString"/);
  await assert.rejects(talk(linesOf(["/rest"], false)), InputError);
});

test("control characters reach no terminal; line breaks, tabs and everything else do", () => {
  assert.equal(harmless("a\u001b[2J\tb\r\n\u0007\u009b\u202e"), "a\\u001b[2J\tb\\u000d\n\\u0007\\u009b\\u202e");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const shown = harmless(text);
      assert.ok(!/[^\P{Cc}\n\t]/u.test(shown));
      const plain = text
        .replace(/[^\P{Cc}\n\t]/gu, "")
        .replace(/[\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069]/g, "");
      assert.equal(shown.replace(/\\u[0-9a-f]{4}/g, ""), plain.replace(/\\u[0-9a-f]{4}/g, ""));
    }),
    { numRuns: 25 },
  );
});

const policy = goldenPath("preferences", "policy");
const call = ["chat", "--model", policy, "--device", "cpu", "--max-new-tokens", "6", "--greedy"];

test("chat reads a pipe: a line a turn, answers alone on stdout, nothing decorated", async () => {
  const input = "the little bird\n/reset\nthe little bird\nmore";
  const { code, stdout, stderr } = await taugrad([...call, "--system", "be brief"], {}, input);
  assert.equal(code, 0, stderr);
  const [first, second, third, rest] = stdout.split("\n");
  assert.ok(first.length > 0 && third.length > 0 && rest === "", stdout);
  assert.equal(first, second, "after /reset the same is answered");
  assert.match(stderr, /begins anew/);
  const refused = await taugrad(call, {}, "/nothing\n");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /taugrad: there is no command "\/nothing"/);
});

test("chat: SIGINT stops the answer, the next line is answered; without an answer it ends the program", async (t) => {
  if (process.platform === "win32") return t.skip("no signals on Windows");
  // The model never ends by itself: an answer goes on until its context is full, far from here.
  const long = ["chat", "--model", policy, "--device", "reference", "--max-new-tokens", "2000", "--temperature", "9"];
  const child = spawn(process.execPath, [...command, ...long], { env: { ...process.env, NODE_OPTIONS: "" } });
  let [said, told] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const come = (wanted: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new Error(`${said}\n${told}`)), 60_000);
      const look = setInterval(() => {
        if (!wanted()) return;
        clearInterval(look);
        clearTimeout(giveUp);
        resolve();
      }, 20);
    });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  child.stdin.write("the little bird\n");
  await come(() => said.length > 0);
  child.kill("SIGINT");
  await come(() => /stopped/.test(told));
  const before = said.length;
  child.stdin.write("again\n");
  await come(() => said.length > before + 1);
  child.kill("SIGINT");
  await come(() => (told.match(/stopped/g) ?? []).length === 2);
  child.kill("SIGINT");
  assert.equal(await ended, 130);
});
