/** Reference log-probabilities on disk: taken when they are the same, computed anew when they are not, and the line that says so. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { ReferencePair } from "../../../align/data/source.js";
import { cachedReference, type ReferenceIdentity } from "../../../align/training/reference-cache.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-reference-"));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
const newPath = () => join(folder, `${files++}`, "reference.json");
const identity = { model: "a", rows: "b", device: "cpu" };
const numbers: readonly ReferencePair[] = [
  [-1.1, -0.3],
  [-1e-300, -12345.678901234567],
];

/** Asks once: what came out, whether the model was asked, and what was said. */
const ask = async (path: string, id: ReferenceIdentity = identity, known = numbers) => {
  let asked = 0;
  const said: string[] = [];
  const got = await cachedReference({
    path,
    identity: id,
    rows: known.length,
    compute: async () => {
      asked++;
      return known;
    },
    tell: (line) => said.push(line),
  });
  return { got, asked, said: said.join("\n") };
};

test("law: the second time the numbers are the same, bit for bit, and the model is not asked", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          fc.double({ max: 0, noNaN: true, noDefaultInfinity: true }),
        ),
      ),
      async (drawn) => {
        const known: readonly ReferencePair[] = [...drawn, [-0, 0]];
        const path = newPath();
        const first = await ask(path, identity, known);
        const second = await ask(path, identity, known);
        assert.deepEqual([first.asked, second.asked], [1, 0]);
        // JSON has no −0.
        assert.deepEqual(
          second.got.flat(),
          known.flat().map((x) => x + 0),
        );
        assert.match(second.said, /taken from .*reference\.json$/);
      },
    ),
    { numRuns: 20 },
  ));

test("what changed is named, and the file is that of the new run then", async () => {
  const path = newPath();
  await ask(path);
  for (const [id, why] of [
    [{ ...identity, model: "c" }, /since .* does not serve: model changed$/],
    [{ ...identity, model: "c", rows: "d", device: "webgpu" }, /: rows, device changed$/],
    [{ ...identity, batch_size: 4 }, /: model, rows, device, batch_size changed$/],
    [identity, /: batch_size changed$/],
  ] as const) {
    const { asked, said } = await ask(path, id);
    assert.equal(asked, 1);
    assert.match(said, why);
    assert.equal((await ask(path, id)).asked, 0);
  }
});

test("a file that is damaged, short, of other rows or no such file is never used", async () => {
  const path = newPath();
  const damages: readonly [(text: string) => string, RegExp][] = [
    [(text) => text.slice(0, text.length / 2), /it cannot be read$/],
    [() => "", /it cannot be read$/],
    [() => "[1, 2]", /it is no such file$/],
    [() => '{"identity": 3, "logps": []}', /it is no such file$/],
    [(text) => text.replace("-1.1", "-1.2"), /it is damaged$/],
    [(text) => text.replace("-1.1", '"-1.1"'), /it is damaged$/],
    [(text) => text.replace("-1.1", "null"), /it is damaged$/],
    [(text) => text.replace("-1.1,", ""), /it is damaged$/],
    [(text) => text.replace(/"sha256":"./, '"sha256":"x'), /it is damaged$/],
  ];
  for (const [damage, why] of damages) {
    await ask(path);
    const whole = readFileSync(path, "utf8");
    assert.notEqual(damage(whole), whole);
    writeFileSync(path, damage(whole));
    const { asked, said, got } = await ask(path);
    assert.deepEqual([asked, got], [1, numbers], String(why));
    assert.match(said, why);
  }
  assert.match((await ask(path, identity, [...numbers, [0, 0]])).said, /it is damaged$/);
});

test("a place that cannot be written to costs the run nothing but a line", async () => {
  const path = newPath();
  await ask(path);
  const below = join(path, "deeper.json");
  const { got, asked, said } = await ask(below);
  assert.deepEqual([got, asked], [numbers, 1]);
  assert.match(said, /warning: .*deeper\.json.*; the run goes on without keeping them$/);
  assert.ok(!existsSync(below));
});
