/** Laws of a grid: what it asks for, under which ids, and what is refused before anything is trained. */
import assert from "node:assert/strict";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { countRows } from "../../../lab/evaluate/index.js";
import { HALVES, halfOf } from "../../../lab/evaluate/rows/half.js";
import { openExam } from "../../../run/compare/exam.js";
import { idOf } from "../../../run/compare/jobs.js";
import { planOf } from "../../../run/compare/plan.js";
import { specOf } from "../../../run/compare/spec.js";
import { SILENT } from "../../../run/voice.js";
import { parseYaml } from "../../../run/yaml.js";
import { scratch } from "../../cli/cli.js";
import { tries } from "../../reach.js";
import { prepared, tinyGrid } from "./tiny.js";

const folder = scratch();
const grid = tinyGrid(folder);
const merge = {
  of: "adamw",
  merge_method: "linear",
  models: [
    { model: "start", parameters: { weight: 1 } },
    { model: "trained", parameters: { weight: 1 } },
  ],
};

const planned = (content: object) => planOf(specOf(content as never, "grid.yaml"), join(folder, "out"), SILENT);
/** Ids of the start and of the cells, by place. */
const idsOf = async (content: object): Promise<ReadonlyMap<string, string>> => {
  const { start, cells } = await planned(content);
  return new Map([
    ["start", idOf(start)],
    ...cells.map(({ method, rate, seed, job }): [string, string] => [`${method} ${rate} ${seed}`, idOf(job)]),
  ]);
};

test("compare: a cell for each method, learning rate and seed, each with an id of its own", async () => {
  const whole = { ...grid, methods: { ...grid.methods, merged: merge, own: { learning_rate: [1, 2, 3] } } };
  const ids = await idsOf(whole);
  assert.equal(ids.size, 1 + 3 * 2 * 2 + 3 * 2);
  assert.equal(new Set(ids.values()).size, ids.size);
});

test("compare: ids follow every key and what files hold, not their order, their paths, nor what is told", async () => {
  const before = await idsOf(grid);
  const same = async (other: object, what: string) =>
    assert.deepEqual(new Set((await idsOf(other)).values()), new Set(before.values()), what);
  await fc.assert(
    fc.asyncProperty(
      fc.constant(Object.entries(grid.base)).chain((keys) => fc.shuffledSubarray(keys, { minLength: keys.length })),
      (keys) => same({ ...grid, base: Object.fromEntries(keys) }, "keys in another order"),
    ),
    { numRuns: tries(3) },
  );
  await same(
    { ...grid, methods: { ondare: grid.methods.ondare, adamw: {} }, seeds: [1, 0], learning_rate: [1e-2, 1e-3] },
    "lists in another order",
  );
  await same(
    { ...grid, base: { ...grid.base, logging_steps: 3 }, reference: "ondare", keep_models: false },
    "what is told",
  );
  await same(
    { ...grid, evaluate: { ...grid.evaluate, style: "rewards/margins", at: [1], skill: "choice" } },
    "how it is counted",
  );
  const elsewhere = join(scratch(), "moved");
  cpSync(folder, elsewhere, { recursive: true });
  await same(JSON.parse(JSON.stringify(grid).replaceAll(folder, elsewhere)), "another folder");

  const changes: readonly (readonly [object, changed: (place: string) => boolean])[] = [
    [{ ...grid, base: { ...grid.base, max_steps: 3 } }, (place) => place !== "start"],
    [{ ...grid, base: { ...grid.base, weight_decay: 0.1 } }, (place) => place !== "start"],
    [
      { ...grid, methods: { ...grid.methods, ondare: { ...grid.methods.ondare, alpha: 2e-2 } } },
      (place) => place.startsWith("ondare"),
    ],
    [{ ...grid, evaluate: { ...grid.evaluate, batch_size: 4 } }, () => true],
    [{ ...grid, base: { ...grid.base, max_length: 40 } }, () => true],
  ];
  for (const [other, changed] of changes) {
    const after = await idsOf(other);
    for (const [place, id] of before)
      assert.equal(after.get(place) !== id, changed(place), `${JSON.stringify(other)}: ${place}`);
  }
  writeFileSync(join(elsewhere, "choice.jsonl"), '{"question": "?", "choices": ["a", "b"], "answer": 1}\n');
  const other = await idsOf(JSON.parse(JSON.stringify(grid).replaceAll(folder, elsewhere)));
  for (const [place, id] of before) assert.notEqual(other.get(place), id, `other rows: ${place}`);
});

test("compare: halves are whole, by content alone, and no row stands in both", async () => {
  const { values } = await planned(grid);
  const exam = await openExam(specOf(grid as never, "grid.yaml").evaluate, values, SILENT);
  const counts = HALVES.map((half) => countRows(exam.tasks[half][0]));
  assert.equal(counts[0] + counts[1], 8);
  assert.equal((exam.pairs?.validation.length ?? 0) + (exam.pairs?.test.length ?? 0), 16);
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (rows) => {
      for (const row of rows) assert.equal(halfOf(row), halfOf(JSON.parse(JSON.stringify(row))));
    }),
    { numRuns: tries(20) },
  );
});

/** YAML, and what is said of it. */
const without = (key: keyof typeof grid) => Object.fromEntries(Object.entries(grid).filter(([name]) => name !== key));
const withBase = (keys: object) => ({ ...grid, base: { ...grid.base, ...keys } });
const withMethods = (methods: object) => ({ ...grid, methods });
const withExam = (keys: object) => ({ ...grid, evaluate: { ...grid.evaluate, ...keys } });
const REFUSED: readonly (readonly [object, RegExp])[] = [
  [{}, /^grid\.yaml: base is missing; it must hold the keys that all runs share/],
  [without("methods"), /^grid\.yaml: methods is missing/],
  [without("learning_rate"), /^grid\.yaml: learning_rate is missing; it must be a list/],
  [without("evaluate"), /^grid\.yaml: evaluate is missing/],
  [{ ...grid, learning_rates: [1] }, /unknown key "learning_rates"; did you mean "learning_rate"\?$/],
  [{ ...grid, seed: 1 }, /unknown key "seed"; did you mean "seeds"\?$/],
  [{ ...grid, train: "dpoo" }, /^grid\.yaml: train is "dpoo"; did you mean "dpo"\?$/],
  [{ ...grid, methods: [] }, /^grid\.yaml: methods is \[\]; it must hold names/],
  [withMethods({}), /^grid\.yaml: methods is empty/],
  [withMethods({ a: 3 }), /^grid\.yaml: methods: a is 3; it must hold keys of a run/],
  [withMethods({ a: { alhpa: 1 } }), /^grid\.yaml: methods: a: unknown key "alhpa"; did you mean "alpha"\?$/],
  [withMethods({ a: { alpha: "much" } }), /^grid\.yaml: methods: a: alpha is "much"; it must be a number/],
  [withMethods({ a: { beta: 1 } }), /^grid\.yaml: methods: a: "beta" is a key of taugrad dpo, not of taugrad sft$/],
  [withMethods({ a: { seed: 1 } }), /^grid\.yaml: methods: a: seed: seeds stand at the top/],
  [
    withMethods({ a: { model_name_or_path: "x" } }),
    /^grid\.yaml: methods: a: model_name_or_path: all methods start from one model/,
  ],
  [withMethods({ a: { optim: "ondara" } }), /^grid\.yaml: methods: a: optim is "ondara"/],
  [withBase({ learning_rate: 1 }), /^grid\.yaml: base: learning_rate: it stands at the top/],
  [withBase({ output_dir: "x" }), /^grid\.yaml: base: output_dir: it stands at the top/],
  [withBase({ max_stepz: 1 }), /^grid\.yaml: base: unknown key "max_stepz"; did you mean "max_steps"\?$/],
  [{ ...grid, base: { dataset_name: "x" } }, /^grid\.yaml: base: model_name_or_path is missing/],
  [withBase({ model_name_or_path: join(folder, "none") }), /none.*(no such|does not exist|no config\.json|not there)/],
  [{ ...grid, learning_rate: [] }, /^grid\.yaml: learning_rate is an empty list/],
  [{ ...grid, learning_rate: [0] }, /^grid\.yaml: learning_rate is 0; it must be a number > 0$/],
  [{ ...grid, learning_rate: [1, "x"] }, /^grid\.yaml: learning_rate is "x"/],
  [{ ...grid, learning_rate: [1, "1.0"] }, /^grid\.yaml: learning_rate has 1 twice/],
  [{ ...grid, seeds: [-1] }, /^grid\.yaml: seeds is -1; it must be an integer in/],
  [{ ...grid, reference: "adam" }, /^grid\.yaml: reference: unknown method "adam"; did you mean "adamw"\?$/],
  [
    withMethods({ adamw: {}, m: { ...merge, of: "adam" } }),
    /^grid\.yaml: methods: m: of: unknown method "adam"; did you mean "adamw"\?$/,
  ],
  [
    withMethods({ adamw: {}, m: merge, n: { ...merge, of: "m" } }),
    /^grid\.yaml: methods: n: of: m is a merge itself; name what trains: adamw$/,
  ],
  [
    withMethods({ adamw: {}, m: { ...merge, learning_rate: 1 } }),
    /^grid\.yaml: methods: m: learning_rate has no meaning beside of/,
  ],
  [
    withMethods({ adamw: {}, m: { ...merge, merge_method: "liner" } }),
    /^grid\.yaml: methods: m: merge_method is "liner"; did you mean "linear"\?$/,
  ],
  [
    withMethods({ adamw: {}, m: { ...merge, models: [{ model: "trained" }] } }),
    /^grid\.yaml: methods: m: .* has no weight for tensor/,
  ],
  [
    withMethods({ adamw: {}, m: { ...merge, models: [{ model: "trainde", parameters: { weight: 1 } }] } }),
    /^grid\.yaml: methods: m: trainde: no such folder/,
  ],
  [withExam({ task: "x" }), /^grid\.yaml: evaluate: unknown key "task"; did you mean "tasks"\?$/],
  [withExam({ tasks: join(folder, "none.yaml") }), /none\.yaml/],
  [
    withExam({ skill: ["choise"] }),
    /^grid\.yaml: evaluate: skill: there is no task "choise"; did you mean "choice"\?$/,
  ],
  [withExam({ style: "choice" }), /^grid\.yaml: evaluate: its one task is style, and none is left for skill/],
  [withExam({ style: "accuracy" }), /^grid\.yaml: evaluate: style: there is no task "accuracy"/],
  [withExam({ eval_dataset: null }), /^grid\.yaml: evaluate: nothing says what style is; give eval_dataset/],
  [
    withExam({ eval_dataset: null, style: "rewards/margins" }),
    /measured on held-out preference pairs; name them as eval_dataset$/,
  ],
  [withExam({ at: [] }), /^grid\.yaml: evaluate: at is an empty list/],
  [withExam({ limit: 0 }), /^grid\.yaml: evaluate: "limit" is 0; it must be a whole number ≥ 1$/],
  [
    withExam({ limit: 1 }),
    /of (the )?1 (rows|pairs).* none falls to (validation|test), which has about half; give more/,
  ],
];

test("compare: a grid that is wrong is refused in one line that says how to mend it, and writes nothing", async () => {
  for (const [content, said] of REFUSED) {
    const error = await prepared(content, join(folder, "refused")).then(
      () => assert.fail(`${JSON.stringify(content)} was taken`),
      (reason: Error) => reason,
    );
    assert.match(error.message, said, JSON.stringify(content));
    assert.equal(error.name, "InputError");
    assert.ok(!error.message.includes("\n"), error.message);
  }
  assert.ok(!existsSync(join(folder, "refused")));
  await assert.rejects(parseYaml("methods: {a: {}, a: {}}", "grid.yaml"), /^InputError: grid\.yaml:1: is not YAML/);
});
