import { basename, resolve } from "node:path";
import { type HubTarget, prepareUpload, uploadFolder } from "../../models/index.js";
import type { TrainingValues } from "../options/takes.js";
import { tellIdle, type Voice } from "../voice.js";

/** Where the finished model is uploaded to, made sure of before the first step. Errors: as `prepareUpload`. */
export const hubTarget = async (values: TrainingValues, out: Voice): Promise<HubTarget | undefined> => {
  const { push_to_hub, hub_model_id: id, hub_private_repo: isPrivate, output_dir, dry_run } = values;
  if (!push_to_hub) {
    if (id !== undefined) tellIdle(out, ["hub_model_id"], "without push_to_hub");
    return undefined;
  }
  if (dry_run) return undefined;
  return prepareUpload(id ?? basename(resolve(output_dir)), { isPrivate });
};

/** Uploads the finished folder. Errors: as `uploadFolder`. */
export const pushed = async (target: HubTarget, { output_dir }: TrainingValues, out: Voice): Promise<void> => {
  out.note(`uploading ${output_dir} to ${target.id}`);
  out.note(`the model is at ${await uploadFolder(output_dir, target, "taugrad: end of training")}`);
};
