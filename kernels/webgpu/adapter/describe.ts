import { drivers } from "../../platform/node/drivers.js";
import type { Machine } from "../../platform/platform.js";
import { ALIKE_HINT, findAll } from "./find.js";
import { modeOf } from "./modes.js";
import { type AdapterReport, nameOf } from "./report.js";
import { type Explained, explain } from "./unlocked.js";

/** Every adapter, best first; an empty list where there is none. Errors: DeviceError if the native module does not load. */
export const describeAdapters = async (): Promise<AdapterReport[]> => (await findAll()).map(({ report }) => report);

/**
 * The same, with what each toggle of Dawn gives, and what is missing: a second or so. `hasUnits`: can products run on the matrices
 * of an adapter?
 */
export const explainAdapters = async (hasUnits: (report: AdapterReport) => boolean): Promise<Explained[]> => {
  const explained: Explained[] = [];
  for (const report of await describeAdapters()) explained.push(await explain(report, modeOf(), hasUnits(report)));
  return explained;
};

/** Where a GPU is not among these adapters: why, and what to do. */
export const missingGpu = (adapters: readonly AdapterReport[], machine?: Machine): string | undefined =>
  adapters.some(({ software }) => !software) ? undefined : drivers.hiddenGpu(machine);

/** Of several adapters with one name only the first can be opened: what to do. */
export const alikeHints = (adapters: readonly AdapterReport[]): string[] =>
  adapters.filter(({ alike = 1 }) => alike > 1).map((report) => `${report.alike} × ${nameOf(report)}: ${ALIKE_HINT}`);
