import type { StoredRows } from "../align/data/token-file.js";
import type { Device } from "../core/index.js";
import type { RunObserver } from "./running/observer.js";
import type { Voice } from "./voice.js";

/** Who has a run: a command, or a program. */
export interface Host extends Voice {
  /** Told of the run as it goes. */
  readonly observers: (device: Device) => readonly RunObserver[];
  /** Once aborted, the run ends after its step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Rows in memory, in place of those that dataset_name and eval_dataset name. */
  readonly rows?: { readonly train?: readonly object[]; readonly evaluation?: readonly object[] };
  /** Told of the rows that are trained on: a digest of each one's tokens. */
  readonly trainsOn?: (rows: Pick<StoredRows<unknown>, "digests">) => void;
  /** The words of the command line, where it is a command. */
  readonly call?: readonly string[];
}
