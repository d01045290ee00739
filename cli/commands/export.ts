import { existsSync, statSync } from "node:fs";
import { InputError } from "../../core/errors.js";
import { exportGguf } from "../../models/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

/** `taugrad export`: a model folder as one GGUF file. */
export const exportCommand = async (
  { model, out: file, type, overwrite }: Values<"export">,
  out: Output,
): Promise<void> => {
  if (!file.endsWith(".gguf")) throw new InputError(`--out is ${file}; the file's name must end in .gguf`);
  if (existsSync(file) && statSync(file).isDirectory()) throw new InputError(`--out: ${file} is a folder; name a file`);
  if (existsSync(file) && !overwrite)
    throw new InputError(
      `--out: ${file} is there already, and would be overwritten; choose another name, or add --overwrite`,
    );
  const { notes, ...written } = await exportGguf(model, file, type);
  for (const note of notes) out.note(`note: ${note}`);
  out.result({ output: file, type, ...written }, () => `${file}: ${written.tensors} tensors, ${written.bytes} bytes`);
};
