import type { Mode } from "./adapter/modes.js";
import type { Seen } from "./profiles.js";
import type { TuneOptions, Tuning } from "./tuning/options.js";

/** How the webgpu device is opened. */
export interface WebgpuOptions extends Seen, TuneOptions {
  /** Which of several: its number in `describeAdapters` (and taugrad doctor), or a part of its name. Default: the best. */
  readonly adapter?: number | string;
  /** How much of Dawn is unlocked. Default: what TAUGRAD_WEBGPU says, else "full". */
  readonly mode?: Mode;
  /** Told what programs on the device go by of its tiles, where something was measured. */
  readonly tuned?: (tuning: Tuning) => void;
}
