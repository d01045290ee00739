import { existsSync } from "node:fs";
import { dataFiles, type SplitChoice } from "../../align/data/files/splits.js";
import { InputError } from "../../core/errors.js";
import type { TrainingValues } from "../options/takes.js";
import { looksForBest } from "../parts/best.js";
import { evalRowsOf } from "../parts/cadence.js";
import { declaredIn } from "../parts/dataset-config.js";
import type { Digests } from "./digests.js";
import type { ExamSpec } from "./spec.js";

/** A data set as a run names it, and which of its files it means. */
interface Named extends SplitChoice {
  readonly path: string;
  readonly config?: string;
}

/** The rows that make a method's models what they are, by the key that names them. */
const learntFrom = (values: TrainingValues): readonly (readonly [key: string, from: Named])[] => {
  const { dataset_name: path, dataset_config: config, dataset_train_split: split, retain_dataset = [] } = values;
  const chosenBy = looksForBest(values) ? evalRowsOf(values) : undefined;
  return [
    ["dataset_name", { path, config, split }],
    ...retain_dataset.map((one) => ["retain_dataset", { path: one }] as const),
    ...(chosenBy === undefined ? [] : [["eval_dataset, which chooses its best model", chosenBy] as const]),
  ];
};

/** The digests of its files, by path. What is not there another check tells of. Errors: those of `dataFiles`. */
const filesOf = async ({ path, config, ...choice }: Named, digestOf: Digests): Promise<ReadonlyMap<unknown, string>> =>
  new Map(
    existsSync(path)
      ? dataFiles(path, { ...choice, declared: await declaredIn(path, config) }).files.map((file) => [
          digestOf(file),
          file,
        ])
      : [],
  );

/**
 * Pairs that are asked must be none that a method learns from, or is chosen by: they would tell what it has by heart. Files count
 * by what they hold, whatever their paths. Errors: InputError naming key, file and method.
 */
export const checkHeldOut = async (
  { where, pairs, validationPairs }: ExamSpec,
  methods: readonly { readonly name: string; readonly values: TrainingValues }[],
  digestOf: Digests,
): Promise<void> => {
  for (const [asked, path] of Object.entries({ eval_dataset: pairs, validation_dataset: validationPairs })) {
    if (path === undefined) continue;
    const held = await filesOf({ path, otherwise: "test", orOnly: true }, digestOf);
    for (const { name, values } of methods)
      for (const [key, from] of learntFrom(values))
        for (const [digest, file] of await filesOf(from, digestOf))
          if (held.has(digest))
            throw new InputError(
              `${where}: ${asked}: ${held.get(digest)} holds what ${name} learns from (${key}: ${file}); name pairs that no method has seen`,
            );
  }
};
