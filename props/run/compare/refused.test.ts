/** Grids that are wrong: each is refused before anything is trained or written, in one line that says how to mend it. */
import assert from "node:assert/strict";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseYaml } from "../../../run/yaml.js";
import { scratch } from "../../cli/cli.js";
import { merge, prepared, tinyGrid } from "./tiny.js";

const folder = scratch();
const grid = tinyGrid(folder);
const copied = join(folder, "copied.jsonl");
cpSync(grid.base.dataset_name, copied);

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
  [{ ...grid, train: ["dpo"] }, /^grid\.yaml: train is \["dpo"\]; it must be dpo or kto or sft$/],
  [{ ...grid, methods: [] }, /^grid\.yaml: methods is \[\]; it must hold names/],
  [withMethods({}), /^grid\.yaml: methods is empty/],
  [withMethods({ "": {} }), /^grid\.yaml: methods: a name is empty; name each method$/],
  [withMethods({ adamw: {}, " ": null }), /^grid\.yaml: methods: a name is empty; name each method$/],
  [
    withMethods({ adamw: {}, "adamw\n": {} }),
    /^grid\.yaml: methods: "adamw\\n" has blanks at an end or breaks a line; call it "adamw"$/,
  ],
  [withMethods({ "a\tb": {} }), /^grid\.yaml: methods: "a\\tb" has blanks at an end or breaks a line; call it "a b"$/],
  [
    withMethods({ m: { ...merge, of: "m" } }),
    /^grid\.yaml: methods: m: of: m is a merge itself; add a method that trains$/,
  ],
  [withMethods({ a: 3 }), /^grid\.yaml: methods: a is 3; it must hold keys of a run/],
  [withMethods({ a: { alhpa: 1 } }), /^grid\.yaml: methods: a: unknown key "alhpa"; did you mean "alpha"\?$/],
  [withMethods({ a: { alpha: "much" } }), /^grid\.yaml: methods: a: alpha is "much"; it must be a number/],
  [withMethods({ a: { beta: 1 } }), /^grid\.yaml: methods: a: "beta" is a key of taugrad dpo, not of taugrad sft$/],
  [withMethods({ a: { seed: 1 } }), /^grid\.yaml: methods: a: seed: seeds stand at the top/],
  [
    withMethods({ a: { model_name_or_path: "x" } }),
    /^grid\.yaml: methods: a: model_name_or_path: all methods start from one model/,
  ],
  [withMethods({ a: { device: "webgpu" } }), /^grid\.yaml: methods: a: device: all methods run on one device; name it/],
  [withMethods({ a: { optim: "ondara" } }), /^grid\.yaml: methods: a: optim is "ondara"; did you mean "ondare"\?$/],
  [withMethods({ a: { alpha: 1, Alpha: 1 } }), /unknown key "Alpha"; did you mean "alpha"\?$/],
  [withBase({ "max-steps": 2 }), /^grid\.yaml: base: max-steps is there twice, once as max_steps; leave one out$/],
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
  [
    withMethods({ adamw: {}, m: { ...merge, models: merge.models.map((one) => ({ ...one, model: "start" })) } }),
    /^grid\.yaml: methods: m: none of its models is "trained"/,
  ],
  [withExam({ task: "x" }), /^grid\.yaml: evaluate: unknown key "task"; did you mean "tasks"\?$/],
  [withExam({ tasks: join(folder, "none.yaml") }), /none\.yaml/],
  [
    withExam({ skill: ["choise"] }),
    /^grid\.yaml: evaluate: skill: there is no task "choise"; did you mean "choice"\?$/,
  ],
  [withExam({ style: "choice" }), /^grid\.yaml: evaluate: its one task is style, and none is left for skill/],
  [withExam({ style: "accuracy" }), /^grid\.yaml: evaluate: style: "accuracy" is no task, nor a measure of pairs; /],
  ...(["rewards/margin", "reward/accuracy", "choise"] as const).map((style, i) => {
    const meant = ["rewards/margins", "rewards/accuracies", "choice"][i];
    return [withExam({ style }), new RegExp(`style: "${style}" is no task.*; did you mean "${meant}"\\?$`)] as const;
  }),
  [withExam({ eval_dataset: null }), /^grid\.yaml: evaluate: nothing says what style is; give eval_dataset/],
  [
    withExam({ eval_dataset: null, style: "rewards/margins" }),
    /measured on held-out preference pairs; name them as eval_dataset$/,
  ],
  [
    withExam({ validation_dataset: grid.evaluate.eval_dataset }),
    /^grid\.yaml: evaluate: validation_dataset: .*holds what is told/,
  ],
  [
    withExam({ validation_tasks: grid.evaluate.tasks }),
    /^grid\.yaml: evaluate: validation_tasks: .*holds what is told/,
  ],
  ...(
    [
      [{}, { eval_dataset: grid.base.dataset_name }],
      [{}, { eval_dataset: copied }],
      [{}, { validation_dataset: copied }],
      [{ dataset_name: grid.evaluate.eval_dataset }, {}],
      [{ retain: "orthogonal", retain_dataset: grid.evaluate.eval_dataset }, {}],
      [{ eval_dataset: grid.evaluate.eval_dataset, save_strategy: "best" }, {}],
    ] as const
  ).map(([keys, exam]) => {
    const [asked] = [...Object.keys(exam), "eval_dataset"];
    const said = new RegExp(
      `^grid\\.yaml: evaluate: ${asked}: .*\\.jsonl holds what b learns from \\(.*_dataset|dataset_name`,
    );
    return [{ ...withExam(exam), methods: { b: keys } }, said] as const;
  }),
  ...(
    [
      [3, /search is 3; it must hold blocks, mean and step/],
      [null, /search is null; it must hold blocks, mean and step/],
      [
        { blocks: 2, mean: 0.5, step: 0.1, rounds: 1e9 },
        /search: "rounds" is 1000000000; it must be a whole number from 1 to 100$/,
      ],
      [{ mean: 0.5, step: 0.1 }, /search: "blocks" is missing/],
      [{ blocks: 2, step: 0.1 }, /search: mean is missing/],
      [{ blocks: 2, mean: 1.5, step: 0.1 }, /search: mean is 1\.5; it must be a number in \[0, 1\]$/],
      [{ blocks: 2, mean: 0.5, step: 0 }, /search: step is 0; it must be a number in \(0, 1\]$/],
      [
        { blocks: 2, mean: 0.7, step: 0.4 },
        /search: step is 0\.4, and from mean 0\.7 no block can give and take that much/,
      ],
      [{ blocks: 2, mean: 1, step: 0.1 }, /search: step is 0\.1, and from mean 1 no block can/],
      [{ blocks: 3, mean: 0.5, step: 0.1 }, /search: blocks is 3, and the model has 2 layers; give no more$/],
      [{ blocks: 2, mean: 0.5, steps: 0.1 }, /search: unknown key "steps"; did you mean "step"\?$/],
    ] as const
  ).map(([search, said]) => [withMethods({ adamw: {}, m: { of: "adamw", search } }), said] as const),
  [
    withMethods({ adamw: { search: {} } }),
    /^grid\.yaml: methods: adamw: search mixes what another method made; add of/,
  ],
  [
    withMethods({ adamw: {}, m: { ...merge, search: { blocks: 2, mean: 0.5, step: 0.1 } } }),
    /^grid\.yaml: methods: m: merge_method has no meaning beside search/,
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
  await assert.rejects(
    parseYaml("methods: {a: {}, a: {}}", "grid.yaml"),
    /^InputError: grid\.yaml:1: a is there twice; leave one out$/,
  );
});
