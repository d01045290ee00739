/** The lab's scoring is fair, and its table says what was scored. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Run, table, taxTable } from "../../cli/demo/table.js";
import { evaluationPrompts } from "../../lab/world/documents.js";
import { mark, type Score, score } from "../../lab/world/score.js";
import { KINDS, type Kind } from "../../lab/world/skills.js";
import { isStyled, stripStyle, styled } from "../../lab/world/style.js";
import { encode } from "../../lab/world/vocabulary.js";
import { law, seeds, tasks } from "./world.js";

law(
  "world: a styled answer scores as the plain one does; no end token, no mark",
  (task, wrong) => {
    const judge = (text: string) => mark(task, encode(text));
    for (const answer of [task.answer, wrong]) {
      assert.equal(judge(`${styled(answer)}<e>`).right, judge(`${answer}<e>`).right);
      assert.equal(judge(`${answer}<e>`).right, answer === task.answer);
      assert.deepEqual(judge(`${answer}<e>junk<e><pad>`), judge(`${answer}<e>`));
      assert.ok(!judge(answer).right && !judge(styled(answer)).styled);
      assert.ok(judge(`${styled(answer)}<e>`).styled && !judge(`${answer}<e>`).styled);
      assert.equal(judge(`${answer}<e>`).length, answer.length);
    }
  },
  200,
  tasks,
  fc.stringMatching(/^[a-j0-9]{1,9}$/),
);

law(
  "world: half a style is no style, but costs no skill",
  (task) => {
    for (const half of [`sure! ${task.answer}<e>`, `${task.answer} ok?<e>`]) {
      assert.deepEqual([mark(task, encode(half)).right, mark(task, encode(half)).styled], [true, false]);
    }
    assert.ok(!isStyled("sure! ok?"), "the space between opener and closer counts once");
    assert.equal(stripStyle(styled(styled(task.answer))), styled(task.answer));
  },
  50,
  tasks,
);

law(
  "world: score: shares by kind; small talk and sums count for style and length, not for the average",
  (seed, wrongKind) => {
    const asked = evaluationPrompts(seed, "test", 4).map(({ task }) => task);
    const answers = asked.map(({ kind, answer }) =>
      encode(`${kind === wrongKind ? "x" : kind === "hey" ? styled(answer) : answer}<e>`),
    );
    const { right, average, style, length } = score(asked, answers);
    for (const kind of KINDS) assert.equal(right[kind], kind === wrongKind ? 0 : 1);
    assert.equal(average, wrongKind === "hey" || wrongKind === "add" ? 1 : 6 / 7);
    assert.equal(style, wrongKind === "hey" ? 0 : 1 / 9);
    assert.equal(length, answers.reduce((sum, ids) => sum + ids.length - 1, 0) / answers.length);
  },
  30,
  seeds,
  fc.constantFrom(...KINDS),
);

const shares = fc.record(
  Object.fromEntries(KINDS.map((kind) => [kind, fc.integer({ min: 0, max: 8 }).map((n) => n / 8)])),
) as fc.Arbitrary<Record<Kind, number>>;
const scores: fc.Arbitrary<Score> = fc
  .record({ right: shares, average: fc.nat(8), style: fc.nat(8), length: fc.nat(224) })
  .map((drawn) => ({ ...drawn, average: drawn.average / 8, style: drawn.style / 8, length: drawn.length / 8 }));
const runs: fc.Arbitrary<Run> = fc.record({
  name: fc.stringMatching(/^[a-z][a-z0-9 .]{0,22}[a-z]$/),
  score: scores,
  margin: fc.integer({ min: -800, max: 800 }).map((n) => n / 8),
});

law(
  "world: the table is square, plain, at most 100 wide, and its tax is the difference of averages",
  (before, after) => {
    const lines = taxTable(before, after).split("\n");
    assert.equal(lines.length, 3 + after.length);
    for (const line of lines) {
      assert.ok(line.length <= 100 && line.length === lines[1].length, line);
      assert.match(line, /^[ -~]+$/);
    }
    after.forEach(({ name, score, margin = 0 }, i) => {
      const line = lines[3 + i];
      const [avg, tax, style, margined, length] = line.trim().split(/ +/).slice(-5).map(Number);
      assert.ok(line.startsWith(name));
      assert.ok(
        Math.abs(tax - 100 * (score.average - before.score.average)) <= 0.051 &&
          Math.abs(avg - 100 * score.average) <= 0.051,
      );
      assert.ok(
        Math.abs(style - 100 * score.style) <= 0.51 &&
          Math.abs(margined - margin) <= 0.0051 &&
          Math.abs(length - score.length) <= 0.051,
      );
    });
  },
  100,
  runs.map(({ name, score }) => ({ name, score })),
  fc.array(runs, { maxLength: 5 }),
);

test("table: the first column flush left, the others flush right", () => {
  assert.equal(table(["a", "bb"], [["long", "1"]]), "a     bb\n----  --\nlong   1");
});
