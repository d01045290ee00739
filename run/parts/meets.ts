import type { MeetsOptions } from "../../align/training/options.js";
import { InputError } from "../../core/errors.js";
import { meeting } from "../../optim/index.js";
import type { TrainingValues } from "../options/takes.js";
import { cadence, type Span } from "./cadence.js";

/** Keys that say something with `communicate: every_k` alone. */
const OWN = ["communicate_steps", "meet", "outer_learning_rate", "outer_momentum"] as const;

/** Do meetings merge a reference delta in? */
export const meetsDelta = ({ communicate, alpha = 0 }: TrainingValues): boolean =>
  communicate === "every_k" && alpha > 0;

/** The meetings that the keys ask for; undefined where every step is shared. */
export const meetsFor = (values: TrainingValues): MeetsOptions | undefined => {
  const { communicate, communicate_steps: every, meet: join, alpha, reserve_p: reserveP } = values;
  if (communicate !== "every_k" || every === undefined) return undefined;
  const { outer_learning_rate: outerLr, outer_momentum: outerMomentum } = values;
  return { every, meeting: meeting({ join, alpha, reserveP, outerLr, outerMomentum }) };
};

/** Errors: InputError that names the key which has no meaning beside `communicate`. `merges`: does the optimizer merge by itself? */
export const checkMeets = (values: TrainingValues, merges: boolean): void => {
  const { communicate, communicate_steps, alpha = 0 } = values;
  if (communicate !== "every_k") {
    const idle = OWN.find((key) => values[key] !== undefined);
    if (idle !== undefined)
      throw new InputError(`${idle} belongs to communicate: every_k; add that, or leave ${idle} out`);
    return;
  }
  const refuse = (what: string, mend: string): never => {
    throw new InputError(`communicate: every_k: ${what}; ${mend}`);
  };
  if (communicate_steps === undefined) refuse("after how many steps?", "add communicate_steps");
  if (merges || String(values.optim).startsWith("childtuning"))
    refuse(
      `optim ${values.optim} merges or masks by itself, and here meetings do`,
      "choose what proposes, such as adamw",
    );
  for (const key of ["online_step", "rescale", "merge_preset", "tau_scale"] as const)
    if (values[key] !== undefined) refuse(`${key} has no meaning for meetings`, "leave it out");
  if (values.use_peft && alpha > 0)
    refuse("alpha merges τ into whole weights, and use_peft trains an adapter", "leave one of them out");
  if (alpha > 0 && values.base_model_name_or_path === undefined)
    refuse("alpha needs base_model_name_or_path, the model before SFT", "add it: τ = reference − base");
  if (alpha === 0 && values.base_model_name_or_path !== undefined)
    refuse("base_model_name_or_path does nothing without alpha", "add alpha, or leave it out");
  for (const key of ["bema", "retain", "compensated"] as const)
    if (values[key] !== undefined && values[key] !== false)
      refuse(`${key} would be each rank's own`, "leave it out, or share every step");
  if ("sync_ref_model" in values && values.sync_ref_model === true)
    refuse("sync_ref_model would be each rank's own", "leave it out, or share every step");
  if (values.offload !== "none") refuse(`offload ${values.offload}`, "leave it out");
  if (values.dtype === "bfloat16" && !values.use_peft)
    refuse("dtype bfloat16 loses small steps of all", "set dtype: float32");
};

/** Do all ranks have one model after so many steps? */
export const isMet = ({ communicate, communicate_steps = 1 }: TrainingValues, step: number, steps: number): boolean =>
  communicate !== "every_k" || step % communicate_steps === 0 || step === steps;

/** Errors: InputError where a checkpoint or an evaluation would come between meetings, when each rank has a model of its own. */
export const checkMeetingSteps = (values: TrainingValues, span: Span): void => {
  const { communicate, communicate_steps: every } = values;
  if (communicate !== "every_k") return;
  const { saves, evaluates } = cadence(values, span);
  for (let step = 1; step < span.steps; step++) {
    if (isMet(values, step, span.steps)) continue;
    for (const [what, key, due] of [
      ["checkpoint", "save_steps", saves],
      ["evaluation", "eval_steps", evaluates],
    ] as const)
      if (due(step))
        throw new InputError(
          `communicate_steps ${every}: step ${step} has ${what === "checkpoint" ? "a" : "an"} ${what}, and ranks have one model only where they meet; make ${key} a multiple of ${every}, or choose another strategy`,
        );
  }
};
