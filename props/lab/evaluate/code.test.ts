/** Generated programs: the sandbox against hostile ones, what is refused without it, and pass@1 as the official scorers tell it. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/errors.js";
import { code } from "../../../lab/evaluate/code/kind.js";
import { type Runner, runnerOf } from "../../../lab/evaluate/code/sandbox.js";
import { REFUSED, seccompFilter } from "../../../lab/evaluate/code/seccomp.js";
import { codeIn, codeSets } from "../../../lab/evaluate/code/sets.js";
import { fields } from "../../../lab/evaluate/rows/fields.js";
import { toolsOf } from "../../../lab/evaluate/tools.js";
import { attempted, left, witnesses } from "../../fuzz/programs/attempts.js";
import { hostilePrograms } from "../../fuzz/programs/programs.js";
import { goldenJson } from "../../golden/files.js";
import { tries } from "../../reach.js";

/** A runner, or a skip that says why there is none; with TAUGRAD_SANDBOX=required that is a failure. */
const sandboxed = async (t: TestContext, language: "python" | "node"): Promise<Runner | undefined> => {
  try {
    return await runnerOf(language, false);
  } catch (error) {
    if (!(error instanceof InputError) || process.env.TAUGRAD_SANDBOX === "required") throw error;
    assert.match(error.message, /--unsandboxed|python3 cannot be run/);
    t.skip(error.message);
    return undefined;
  }
};

const temporary = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("taugrad-program-"));

/** Of the hostile programs, some that cost little; npm run hostile tries all. */
const CHEAP = [
  ...["fork bomb", "files in memory", "one large file", "output without end", "an inherited descriptor"],
  ...["a signal to the parent", "a socket without a path", "a daemon that outlives its parent"],
];

test("hostile programs end without success, reach nothing and leave nothing", async (t) => {
  const runner = await sandboxed(t, "python");
  if (runner === undefined) return;
  const seen = await witnesses();
  try {
    for (const program of hostilePrograms.filter(({ name }) => CHEAP.includes(name)))
      assert.equal(await attempted(program, runner, seen), undefined);
    assert.deepEqual(left(), []);
    assert.equal((await runner("import os\nassert os.listdir() == []", { seconds: 5, memory: 256 })).ending, "passed");
  } finally {
    seen.close();
  }
});

test("programs in JavaScript run, and are confined", async (t) => {
  const runner = await sandboxed(t, "node");
  if (runner === undefined) return;
  const limits = { seconds: 5, memory: 512 };
  assert.equal((await runner("require('node:assert').equal([1, 2].at(-1), 2)", limits)).ending, "passed");
  const { ending, said } = await runner("require('node:fs').readFileSync('/etc/passwd')", limits);
  assert.equal(ending, "failed", said);
});

test("without a sandbox a program has a folder of its own, which goes with it", async (t) => {
  const before = temporary();
  const runner = await runnerOf("node", true);
  const program = "require('fs').writeFileSync('x', ''); require('assert')(process.cwd().includes('taugrad-program-'))";
  assert.equal((await runner(program, { seconds: 30, memory: 4096 })).ending, "passed");
  assert.equal((await runner("throw 1", { seconds: 30, memory: 4096 })).ending, "failed");
  assert.deepEqual(temporary(), before);
  if (process.platform === "linux") return;
  t.diagnostic("the sandbox is Linux's: here it is refused");
  await assert.rejects(runnerOf("node", false), /this is (darwin|win32); generated programs are not run without/);
});

/** What a filter says of a call, by classic BPF's rules. */
const verdict = (filter: Uint8Array, call: { arch: number; number: number; first: number }): number => {
  const data = new DataView(filter.buffer);
  const words: Readonly<Record<number, number>> = { 0: call.number, 4: call.arch, 16: call.first };
  let held = 0;
  for (let at = 0; ; at++) {
    const [code, value] = [data.getUint16(8 * at, true), data.getUint32(8 * at + 4, true)];
    const jump = (yes: boolean): void => {
      at += data.getUint8(8 * at + (yes ? 2 : 3));
    };
    if (code === 0x20) held = words[value] >>> 0;
    else if (code === 0x15) jump(held === value);
    else if (code === 0x35) jump(held >= value);
    else if (code === 0x45) jump((held & value) !== 0);
    else return value;
  }
};

test("the filter refuses the calls of its table and no other, and any other convention ends the program", () => {
  for (const [name, arch, column] of [
    ["x64", 0xc000003e, 0],
    ["arm64", 0xc00000b7, 1],
  ] as const) {
    const filter = seccompFilter(name);
    assert.ok(filter);
    const refused = new Set(Object.values(REFUSED).map((numbers) => numbers[column]));
    const clone = [56, 220][column];
    const any = fc.oneof(fc.nat(460), fc.constantFrom(...refused));
    fc.assert(
      fc.property(any, fc.nat(), (number, first) => {
        const said = verdict(filter, { arch, number, first });
        if (refused.has(number)) assert.equal(said, 0x50001);
        else if (number === 435) assert.equal(said, 0x50026);
        else if (number === clone) assert.equal(said, (first & 0x7e020080) === 0 ? 0x7fff0000 : 0x50001);
        else assert.equal(said, 0x7fff0000);
        assert.equal(verdict(filter, { arch: arch ^ 1, number, first }), 0x80000000);
        assert.equal(verdict(filter, { arch, number: number + 0x40000000, first }), 0x80000000);
      }),
      { numRuns: tries(200) },
    );
  }
  assert.equal(seccompFilter("mips"), undefined);
});

interface Golden {
  readonly problem: Readonly<Record<string, unknown>>;
  readonly answers: readonly { readonly answer: string; readonly passed: boolean }[];
}

test("HumanEval's answers pass where its own scorer passes them", async (t) => {
  if ((await sandboxed(t, "python")) === undefined) return;
  const { problem, answers } = goldenJson<Golden>("scorers", "humaneval.json");
  const scorer = code.scorer(fields({ ...problem }, "row 1"), fields({ set: "humaneval", timeout: 1 }, "task 1"), "");
  assert.ok(scorer);
  const tools = toolsOf();
  const fenced = "Here it is:\n```python\ndef largest(xs):\n    return max(xs, default=math.floor(0.5))\n```\nDone.";
  const all = [...answers, { answer: fenced, passed: true }];
  const scores = await Promise.all(all.map(({ answer }) => scorer(answer, tools)));
  for (const [i, { answer, passed }] of all.entries()) assert.equal(scores[i].score, passed ? 1 : 0, answer);
  assert.equal(scores[answers.findIndex(({ answer }) => answer.includes("while True"))].out_of_time, 1);
});

test("programs are put together as the data sets say", () => {
  assert.equal(codeIn("a\n```py\nb\n```\nc\n```\nd"), "b\n");
  assert.equal(codeIn("```\nb\n```\n```python\ndef f(x): 1\n```", "def f("), "def f(x): 1\n");
  assert.equal(codeIn("plain"), "plain");
  const mbpp = fields({ text: "t", test_setup_code: "import os", test_list: ["assert f() == 1", "assert f()"] }, "r");
  for (const answer of ["def f(): return 1", "[BEGIN]def f(): return 1[DONE] x"])
    assert.equal(codeSets.mbpp.program(mbpp, answer), "def f(): return 1\nimport os\nassert f() == 1\nassert f()");
  const ds1000 = fields({ code_context: "def test_string(x): 1", prompt: "p" }, "r");
  assert.equal(
    codeSets.ds1000.program(ds1000, '```python\nx = "é\\n"\n```\nso'),
    'def test_string(x): 1\ncode = "\\nx = \\"é\\\\n\\"\\n"\ntest_execution(code)\ntest_string(code)',
  );
  const codeapex = fields(
    {
      code_context: "A\n// function start\n// function end\nB",
      example: '[{"input": "1", "output": 2}]',
      time_limit: 500,
    },
    "r",
  );
  assert.deepEqual(JSON.parse(codeSets.codeapex.program(codeapex, "```cpp\nint f();\n```")), {
    ...{ source: "A\nint f();\n\n\nB", tests: [{ input: "1", output: "2" }], seconds: 0.5 },
  });
  const refused = (task: object, row: object, said: RegExp) =>
    assert.throws(() => code.scorer(fields({ ...row }, "row 1"), fields({ ...task }, "task 1"), ""), said);
  refused({ set: "humanevil" }, {}, /task 1: unknown set "humanevil"; did you mean "humaneval"\?/);
  refused({}, {}, /task 1: "set" is missing; it must be one of humaneval, mbpp, ds1000, codeapex/);
  refused({ set: "mbpp", program: "{code}" }, {}, /has both "set" and "program"/);
  refused({ program: "{code}{test}" }, {}, /row 1: "test" is missing/);
  refused({ set: "codeapex" }, { code_context: "x", example: "[" }, /row 1: "example" is "\["; it must hold a list/);
  refused({ set: "mbpp", language: "perl" }, { test_list: ["x"] }, /task 1: unknown language "perl"/);
});
