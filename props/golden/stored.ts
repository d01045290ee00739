/**
 * Models and tensors under props/golden, for laws that hold in pages too (npm run laws:browser): there they are asked of the host
 * (props/runtimes/page/golden-stored.mjs), so that what takes a folder has to be awaited.
 */
import { openSafetensors, type Safetensors } from "../../models/files/safetensors.js";
import { goldenPath } from "./files.js";

/** A model folder. */
export const goldenFolder: (...parts: readonly string[]) => string = goldenPath;

/** The tensors of a file. */
export const goldenTensors = async (
  ...parts: readonly string[]
): Promise<Pick<Safetensors, "tensors" | "read" | "readIntegers">> => openSafetensors(goldenPath(...parts));
