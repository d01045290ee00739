import { InputError, OutOfMemoryError } from "../../core/index.js";
import { REMEDIES, shownRemedy } from "../fit/remedies.js";
import type { TrainingValues } from "../options/takes.js";

const COUNT = 3;

/** An error of a training command, with what to do about it where the device had no room for a tensor. */
export const withRemedies = (error: unknown, values: TrainingValues): unknown => {
  if (!(error instanceof OutOfMemoryError)) return error;
  const mend = [
    ...REMEDIES.flatMap((remedy) => {
      const keys = remedy.keys(values);
      return keys === undefined ? [] : [shownRemedy(remedy, keys)];
    }).slice(0, COUNT),
    error.lacking.remedy ?? [],
  ].flat();
  const [what] = error.message.split("\n");
  return new InputError(`${what}; try ${mend.join("; or ")}`);
};
