import type { TrainingKind } from "../fit/kinds.js";
import type { NONE } from "../keys/null.js";
import type { keys } from "./table.js";
import type { KeyOf } from "./takes.js";

/** What may be given for an option. */
type GivenFor<O> = O extends { readonly given?: infer G } ? Exclude<G, undefined> : never;

/** The keys that stay optional, and those that must be there: options of a table, as a program gives them. */
type Optional<Table> = {
  readonly [N in keyof Table]?: GivenFor<Table[N]> | (N extends keyof typeof NONE ? null : never) | undefined;
};
type Required<Table, N extends keyof Table> = { readonly [M in keyof Pick<Table, N>]: GivenFor<Table[M]> };

type Table<K extends TrainingKind> = Pick<typeof keys, KeyOf<K>>;
/** Where data may be rows in memory, and a dry run has a result of its own. */
type Apart = "model_name_or_path" | "output_dir" | "dataset_name" | "eval_dataset" | "dry_run";

/** Rows of a data set: a file or a folder, or an owner/name of the Hub. */
interface Named {
  readonly dataset_name: string;
  readonly train_dataset?: undefined;
}
/** Rows in memory, each as a line of JSONL would hold it: {prompt, chosen, rejected}, {messages}, … */
interface InMemory {
  readonly train_dataset: readonly object[];
  readonly dataset_name?: undefined;
}

/** The keys of a kind of training, as `taugrad dpo --help` lists them, and rows to evaluate on. */
export type GivenKeys<K extends TrainingKind> = Optional<Omit<Table<K>, Apart>> &
  Required<Table<K>, "model_name_or_path" | "output_dir"> &
  (Named | InMemory) & {
    /** Rows to evaluate on during training: a file, a folder, or in memory. */
    readonly eval_dataset?: string | readonly object[] | undefined;
  };
