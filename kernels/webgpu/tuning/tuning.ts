import type { FindTuning } from "../device.js";
import { measureRates } from "./measure.js";
import { readTuning, tuningFile, writeTuning } from "./store.js";

/** The rates that programs on this adapter go by, if there are any. A file that cannot be used is told of, and no error. */
export const tuningOf: FindTuning = async (
  gpu,
  { report, mode, name: adapter },
  { tune = "kept", notice = () => {}, tuningFolder, tuningSide },
) => {
  if (tune === "never" || (tune === "kept" && report.software)) return undefined;
  const file = tuningFile(report, mode, tuningFolder);
  const { rates: known, damaged } = file === undefined ? {} : readTuning(file);
  if (damaged !== undefined)
    notice(`tuning: ${damaged}; ${tune === "kept" ? "taugrad tune measures anew" : "measured anew"}`);
  if (known !== undefined && tune !== "again") return { adapter, file, rates: known };
  if (tune === "kept") return undefined;
  const before = performance.now();
  const rates = await measureRates(gpu, tuningSide);
  const milliseconds = performance.now() - before;
  const problem = file === undefined ? "this user has no cache folder" : writeTuning(file, adapter, rates);
  notice(
    `tuning: tiles of products timed on ${adapter} in ${(milliseconds / 1e3).toFixed(1)} s, ${problem === undefined ? `kept in ${file}` : `not kept: ${problem}`}`,
  );
  return { adapter, file: problem === undefined ? file : undefined, rates, milliseconds };
};
