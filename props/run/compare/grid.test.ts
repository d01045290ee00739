/** Laws of a grid: what it asks for, under which ids, and what is refused before anything is trained. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { countRows } from "../../../lab/evaluate/index.js";
import { HALVES, halfOf } from "../../../lab/evaluate/rows/half.js";
import { digests, runIdentity } from "../../../run/compare/digests.js";
import { openExam } from "../../../run/compare/exam.js";
import { idOf } from "../../../run/compare/jobs.js";
import { runValues } from "../../../run/compare/keys.js";
import { planOf } from "../../../run/compare/plan.js";
import { isMerged, specOf } from "../../../run/compare/spec.js";
import { parseRecipe } from "../../../run/merge/recipe.js";
import { keys } from "../../../run/options/table.js";
import { SILENT } from "../../../run/voice.js";
import { readYamlObject } from "../../../run/yaml.js";
import { scratch } from "../../cli/cli.js";
import { projectRoot } from "../../golden/files.js";
import { tries } from "../../reach.js";
import { merge, prepared, tinyGrid } from "./tiny.js";

const folder = scratch();
const grid = tinyGrid(folder);
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
  assert.equal(ids.size, 1 + 3 * 2 + 3 * 2);
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
    { ...grid, methods: { ondare: grid.methods.ondare, adamw: {} }, seeds: [1, 0], learning_rate: "1e-3" },
    "lists written otherwise",
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
  const { TAUGRAD_BITS: bits } = process.env;
  process.env.TAUGRAD_BITS = bits === "portable" ? "native" : "portable";
  const rounded = await idsOf(grid).finally(() => {
    if (bits === undefined) delete process.env.TAUGRAD_BITS;
    else process.env.TAUGRAD_BITS = bits;
  });
  for (const [place, id] of before) assert.notEqual(rounded.get(place), id, `other bits: ${place}`);
  writeFileSync(join(elsewhere, "choice.jsonl"), '{"question": "?", "choices": ["a", "b"], "answer": 1}\n');
  const other = await idsOf(JSON.parse(JSON.stringify(grid).replaceAll(folder, elsewhere)));
  for (const [place, id] of before) assert.notEqual(other.get(place), id, `other rows: ${place}`);
});

test("compare: what any key names counts by its content", async () => {
  const path = join(folder, "named");
  const identity = (key: string, text: string) => {
    writeFileSync(path, text);
    const value = keys[key as keyof typeof keys].value.endsWith(",…") ? [path] : path;
    return runIdentity({ [key]: value } as never, digests());
  };
  const places = Object.keys(keys).filter((key) => /PATH|DIR|FILE/.test(keys[key as keyof typeof keys].value));
  const free = ["output_dir", "resume", "ref_log_probs_cache"];
  for (const key of places)
    assert.equal(
      JSON.stringify(await identity(key, "a: 1")) === JSON.stringify(await identity(key, "a: 2")),
      free.includes(key),
      key,
    );
});

test("compare: halves are whole, by content alone, and no row stands in both", async () => {
  const { values } = await planned(grid);
  const exam = await openExam(specOf(grid as never, "grid.yaml").evaluate, values, SILENT);
  const counts = HALVES.map((half) => countRows(exam.tasks[half][0]));
  assert.equal(counts[0] + counts[1], 8);
  assert.equal((exam.pairs?.validation.length ?? 0) + (exam.pairs?.test.length ?? 0), 16);
  // Cut as training cuts them, which a key of dpo alone is part of.
  const cut = { ...grid, train: "dpo", base: { ...grid.base, max_prompt_length: 3, truncation_mode: "keep_end" } };
  const plan = await planned(cut);
  const short = await openExam(specOf(cut as never, "grid.yaml").evaluate, plan.values, SILENT);
  const pairs = HALVES.flatMap((half) => short.pairs?.[half] ?? []);
  assert.equal(pairs.length, 16);
  for (const { chosen } of pairs) assert.ok(chosen.completionStart <= 3 && chosen.ids.length <= 32);
  const { start } = await planned({ ...cut, base: { ...cut.base, max_prompt_length: 4 } });
  assert.notEqual(idOf(start), idOf(plan.start));
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (rows) => {
      for (const row of rows) assert.equal(halfOf(row), halfOf(JSON.parse(JSON.stringify(row))));
    }),
    { numRuns: tries(20) },
  );
});

test("compare: one folder is trained on and held out, by its splits; keys that one method reads are no slip, others are told once", async () => {
  const split = join(folder, "split");
  mkdirSync(split);
  cpSync(grid.base.dataset_name, join(split, "train.jsonl"));
  cpSync(grid.evaluate.eval_dataset, join(split, "test.jsonl"));
  const content = {
    ...grid,
    base: { ...grid.base, dataset_name: split, lora_r: 4, reserve_p: 0.5 },
    evaluate: { ...grid.evaluate, eval_dataset: split },
    methods: { adamw: { bema_lag: 3 }, lion: { optim: "lion" }, ondare: { optim: "ondare", alpha: 1e-2 } },
    seeds: [0],
  };
  const notes: string[] = [];
  await prepared(content, join(folder, "out"), notes);
  const same = { ...content, base: { ...content.base, base_model_name_or_path: content.base.model_name_or_path } };
  for (const [one, warned] of [
    [content, []],
    [same, ["warning: methods: ondare: the reference delta is 0 everywhere, and nothing drifts"]],
  ] as const) {
    const { notes: told } = await planned(one);
    assert.deepEqual(
      told.filter((line) => /drifts/.test(line)).map((line) => line.replace(/: the reference has.*/, "")),
      warned,
    );
  }
  assert.deepEqual(
    notes.filter((line) => /does nothing/.test(line)),
    [
      "note: grid.yaml: base: lora_r does nothing in any of the methods",
      "note: methods: adamw: bema_lag does nothing without bema",
    ],
  );
});

test("compare: held-out pairs that are trained on, in a file of others and otherwise written, are told once", async () => {
  const pairs = readFileSync(grid.evaluate.eval_dataset, "utf8").split("\n");
  const seen = pairs.slice(2, 5).map((line) => JSON.parse(line) as Record<string, string>);
  const other: Record<string, string> = { ...seen[0], prompt: "another prompt" };
  const path = join(folder, "seen.json");
  writeFileSync(
    path,
    JSON.stringify([other, ...seen].map(({ prompt, chosen, rejected }) => ({ rejected, chosen, prompt }))),
  );
  const content = { ...grid, train: "dpo", base: { ...grid.base, dataset_name: path }, seeds: [0] };
  const notes: string[] = [];
  await prepared({ ...content, methods: { adamw: {}, lion: { optim: "lion" } } }, join(folder, "seen"), notes);
  assert.deepEqual(
    notes.filter((line) => /trained on/.test(line)),
    [
      `warning: ${grid.evaluate.eval_dataset}: 3 of ${pairs.length} rows to evaluate on are trained on too; others would tell more of what was learnt`,
    ],
  );
});

test("compare: the example grid holds only known keys with good values", async () => {
  const path = join(projectRoot, "configs", "compare.yaml");
  const { methods, base, seeds, reference, evaluate } = specOf(await readYamlObject(path), path);
  assert.deepEqual(Object.keys(methods), ["adamw", "ondare", "onties", "linear"]);
  for (const method of Object.values(methods)) {
    assert.deepEqual(
      [method.rates, seeds],
      [
        [5e-7, 1e-6, 2e-6],
        [0, 1, 2],
      ],
    );
    if (isMerged(method)) assert.equal(parseRecipe(method.recipe, method.where, "").method, "linear");
    else assert.ok(runValues(method.kind, [base, method.source, { where: path, keys: { output_dir: "runs" } }]).values);
  }
  assert.deepEqual([reference, evaluate.style], ["adamw", "rewards/accuracies"]);
});
