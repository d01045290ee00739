import { cast, compile, type Device, dispose, InputError, type Program, treeMap, zeros } from "../../../core/index.js";
import { amongst } from "../../../core/suggest.js";
import type { Params } from "../../../models/parameters.js";
import type { Optimizer } from "../../../optim/optimizer.js";
import type { TrainingBatch } from "../../data/rows.js";
import type { Objective } from "../../objectives/objective.js";
import { batchTensors } from "../reference.js";
import { type Carry, compileGradients, type Summed, type TrainState } from "../step.js";
import { STEERINGS, type Steering } from "./steer.js";

/** Data whose loss a run is to leave as it is, and what is done with its gradients. */
export interface Retain {
  readonly objective: Objective;
  /** One or two sets of batches; each gives one gradient. */
  readonly sets: readonly (readonly TrainingBatch[])[];
  /** Their gradients are taken anew before every so many steps. */
  readonly every: number;
  readonly use: Steering;
}

/** Errors: InputError for none or more than two sets, a set of nothing, or an interval below 1. */
export const checkRetain = ({ sets, every, objective, use }: Retain): void => {
  if (sets.length < 1 || sets.length > 2)
    throw new InputError(`retain: there are ${sets.length} sets; give one or two`);
  if (!(Number.isSafeInteger(every) && every >= 1))
    throw new InputError(`retain: every is ${every}; it must be an integer ≥ 1`);
  if (objective.usesReference) throw new InputError(`retain: ${objective.name} compares with a reference model`);
  if (!STEERINGS.includes(use)) throw new InputError(`retain: use is "${use}"; ${amongst(use, STEERINGS)}`);
  if (sets.some((set) => set.reduce((sum, batch) => sum + objective.units(batch), 0) === 0))
    throw new InputError("retain: a set holds nothing to learn");
};

/** Errors: InputError for an optimizer that hands out an average: what is held in the spaces are the weights alone. */
export const checkSpaces = ({ name, report }: Optimizer): void => {
  if (report !== undefined)
    throw new InputError(`spaces: ${name} hands out an average, which no space holds; choose an optimizer without one`);
};

/** Gradients of retained data before they are taken: zeros, which hold nothing back. */
export const noneRetained = ({ sets }: Retain, params: Params): Params[] =>
  sets.map(() => treeMap((w) => zeros(w.shape, "f32"), params));

/** Takes the gradients of retained data. */
export interface Retaining {
  /** Mean gradients of the sets, f32; the caller owns them. */
  readonly take: (params: Params) => Params[];
  readonly programs: () => readonly Program[];
}

/** One program for each shape of batch, two where a set has several. */
export const retaining = ({ objective, sets }: Retain, device: Device): Retaining => {
  const compiled = compileGradients(objective, device);
  const wide = compile((grads: Params) => treeMap((g) => cast(g, "f32"), grads), device, { donate: [0] });
  return {
    take: (params) =>
      sets.map((set) => {
        const scale = 1 / set.reduce((sum, batch) => sum + objective.units(batch), 0);
        let carry: Carry = {};
        for (const batch of set) carry = compiled(params, batchTensors(batch, false), { scale }, carry);
        const { grads, totals } = carry as Summed;
        dispose(totals);
        return wide(grads);
      }),
    programs: () => [...compiled.programs(), ...wide.programs()],
  };
};

/** The state with the gradients of retained data taken anew. */
export const retaken = (state: TrainState, { take }: Retaining): TrainState => {
  const fresh = take(state.optimizer.params);
  dispose(state.retained ?? []);
  return { ...state, retained: fresh };
};
