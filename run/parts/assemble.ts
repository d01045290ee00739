import { type Device, dispose, upload } from "../../core/index.js";
import type { Model } from "../../models/index.js";
import type { TrainingValues } from "../options/takes.js";
import type { Built, Parts, Recipe } from "../recipe.js";
import type { Voice } from "../voice.js";
import { withAdapter } from "./adapter.js";
import { retaining, tellDirections } from "./retained.js";
import { asAsked, precise } from "./stored.js";
import type { Task } from "./task.js";

/** What a task has beside what its recipe builds. */
type About = Pick<Task, "chatTemplate" | "fingerprint" | "digests" | "evalTasks" | "sideFiles">;

/**
 * Makes a recipe's task, from the model to the adapter, hands it to `run`, and frees what was made. Weights that an adapter
 * leaves as they are lie on the device once: below the policy and as the reference.
 */
export const withTask = async <V extends TrainingValues, T, R>(
  { label, build }: Pick<Recipe<V, T>, "label" | "build">,
  parts: Omit<Parts<V, T>, "frozen">,
  about: About,
  out: Voice,
  run: (task: Task, built: Built) => Promise<R>,
): Promise<R> => {
  const { values, device } = parts;
  const load = (folder: string, to?: Device): Model => {
    const later = values.dtype === "bfloat16" ? undefined : to;
    const asked = asAsked(parts.load(folder, later), values, parts.planned);
    return later === to ? asked : { ...asked, params: upload(asked.params, device) };
  };
  const model = load(values.model_name_or_path);
  const frozen = values.use_peft ? upload(model.params, device) : undefined;
  let built: Built | undefined;
  let kept: ReturnType<typeof retaining> | undefined;
  try {
    const config = precise(parts.config, values);
    const made = await build({ ...parts, config, load, frozen });
    built = made;
    kept = retaining({ ...parts, config, padId: parts.training.padId }, model, device);
    const { retain, spaces } = kept;
    if (spaces !== undefined && !parts.planned) await tellDirections(spaces, values, device, out);
    const task = { label, model, ...about, ...made, retain, spaces };
    return await withAdapter(task, frozen, values, device, out, (adapted) => run(adapted, made));
  } finally {
    built?.release?.();
    kept?.release();
    if (frozen !== undefined) dispose(frozen);
  }
};
