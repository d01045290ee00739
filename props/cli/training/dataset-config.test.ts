/** What a data folder's README.md declares of its files. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resolveValues } from "../../../cli/config.js";
import { InputError } from "../../../core/errors.js";
import { evalRowsOf } from "../../../run/parts/cadence.js";
import { declaredIn } from "../../../run/parts/dataset-config.js";
import { scratch } from "../cli.js";

const folder = scratch();
let folders = 0;
const withReadme = (text: string): string => {
  const root = join(folder, String(folders++));
  mkdirSync(root);
  writeFileSync(join(root, "README.md"), text);
  return root;
};
const CARD = `---
license: mit
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: [main/test-*, main/more.json]
- config_name: socratic
  data_dir: ./socratic/
- config_name: all
  data_files: "*.json"
---
# A card
`;

test("the configuration of a name, with its folder and patterns", async () => {
  const root = withReadme(CARD);
  assert.deepEqual(await declaredIn(root, "main"), {
    splits: { train: ["main/train-*"], test: ["main/test-*", "main/more.json"] },
  });
  assert.deepEqual(await declaredIn(root, "socratic"), { folder: "socratic" });
  assert.deepEqual(await declaredIn(root, "all"), { splits: { train: ["*.json"] } });
});

test("the rows to evaluate on: eval_dataset, else the test split of the folder where eval_strategy asks", async () => {
  const root = withReadme("# Rows");
  const of = async (more: Readonly<Record<string, string>>) => {
    const keys = { model_name_or_path: "m", dataset_name: root, output_dir: "o", ...more };
    return evalRowsOf(await resolveValues("sft", new Map(Object.entries(keys))));
  };
  const test = { split: undefined, otherwise: "test" };
  assert.equal(await of({}), undefined);
  assert.deepEqual(await of({ eval_strategy: "epoch" }), { ...test, path: root, config: undefined });
  assert.deepEqual(await of({ eval_strategy: "steps", dataset_test_split: "dev", dataset_config: "a" }), {
    ...{ path: root, config: "a", split: "dev", otherwise: "test" },
  });
  assert.deepEqual(await of({ eval_dataset: "rows" }), { ...test, path: "rows", orOnly: true });
  const others: Record<string, string>[] = [{ eval_tasks: "t.yaml" }, { dataset_name: join(root, "README.md") }];
  for (const other of others) assert.equal(await of({ eval_strategy: "epoch", ...other }), undefined);
});

test("without a name the default one, or the only one; else the names are told", async () => {
  const several = withReadme(CARD);
  const refused = (root: string, name: string | undefined, pattern: RegExp) =>
    assert.rejects(declaredIn(root, name), (error) => error instanceof InputError && pattern.test(error.message));
  await refused(several, undefined, /has several configurations; dataset_config is one of main, socratic, all/);
  await refused(several, "other", /has no configuration "other"; dataset_config is one of main/);
  const marked = withReadme(CARD.replace("- config_name: all", "- config_name: all\n  default: true"));
  assert.deepEqual(await declaredIn(marked), { splits: { train: ["*.json"] } });
  const one = withReadme("---\nconfigs:\n- config_name: only\n  data_dir: x\n---\n");
  assert.deepEqual(await declaredIn(one), { folder: "x" });
  await refused(
    withReadme("---\nconfigs:\n- data_files:\n  - split: train\n---\n"),
    undefined,
    /data_files must be {split, path}/,
  );
  const none = withReadme("---\nlicense: mit\n---\n# Rows");
  assert.equal(await declaredIn(none), undefined);
  assert.equal(await declaredIn(join(none, "README.md")), undefined);
  await refused(none, "main", /has no configuration "main"; no README\.md there declares any/);
});
