import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import { TRAINING_KINDS, type TrainingKind } from "../fit/kinds.js";
import { HOOKS } from "../hooks.js";
import { takes, type Values } from "../options/takes.js";
import { readKeys, together } from "./read.js";
import { takerOf } from "./taker.js";
import { unknownKey } from "./unknown.js";

/** What stands in place of a path where rows are in memory. */
const IN_MEMORY = "rows in memory";
/** Keys that speak of files. */
const OF_FILES = ["dataset_name", "dataset_config", "dataset_train_split", "max_inflation", "max_row_bytes"] as const;

/** What a program has given for a run. */
export interface ProgramKeys<K extends TrainingKind> {
  readonly values: Values<K>;
  readonly rows: { readonly train?: readonly object[]; readonly evaluation?: readonly object[] };
  /** What is to be said of other trainers' keys. */
  readonly notes: readonly string[];
}

const rowsIn = (given: unknown, where: string): readonly object[] => {
  if (Array.isArray(given)) return given;
  throw new InputError(`${where} is ${show(given)}; it must be an array of rows`);
};

/**
 * The keys of a run out of what a program gives: by the option table, as a YAML file's; keys that are undefined are not there.
 * Errors: InputError that begins with the kind, as those of a file do with its path.
 */
export const programKeys = <K extends TrainingKind>(
  kind: K,
  { train_dataset: train, ...given }: Readonly<Record<string, unknown>>,
): ProgramKeys<K> => {
  const taker = takerOf(kind);
  const present = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value !== undefined && !Object.hasOwn(HOOKS, name)),
  );
  const { eval_dataset: held } = present;
  const evaluation = held !== undefined && typeof held !== "string" ? rowsIn(held, `${kind}: eval_dataset`) : undefined;
  const rows = {
    ...(train !== undefined && { train: rowsIn(train, `${kind}: train_dataset`) }),
    ...(evaluation !== undefined && { evaluation }),
  };
  const idle = rows.train && OF_FILES.find((name) => name in present);
  if (idle !== undefined)
    throw new InputError(`${kind}: ${idle} is given beside train_dataset, whose rows are in memory; leave it out`);
  const read = readKeys(taker, {
    entries: Object.entries({
      ...present,
      ...(rows.train && { dataset_name: IN_MEMORY }),
      ...(rows.evaluation && { eval_dataset: IN_MEMORY }),
    }),
    named: (name) => `${kind}: ${name}`,
    unknown: (written) =>
      unknownKey({
        ...{ where: kind, written, taker, called: (name) => name },
        others: TRAINING_KINDS.map(takerOf),
        more: ["train_dataset", ...Object.keys(HOOKS)],
      }),
  });
  const values = together(taker, read);
  const missing = takes[kind].required.find((name) => values[name] === undefined);
  if (missing !== undefined)
    throw new InputError(
      `${kind} needs ${missing}${missing === "dataset_name" ? ", or rows as train_dataset" : ""} (${taker.options.get(missing)?.about})`,
    );
  return { values: values as Values<K>, rows, notes: read.notes };
};
