import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/command.js";
import { sftRecipe } from "../training/recipes/sft.js";

/** `taugrad sft`: training on instructions, or documents. */
export const sftCommand = (values: Values<"sft">, out: Output): Promise<void> =>
  trainingCommand(sftRecipe(values), values, out);
