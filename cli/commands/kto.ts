import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/command.js";
import { ktoRecipe } from "../training/recipes/kto.js";

/** `taugrad kto`: training on labelled answers. */
export const ktoCommand = async (values: Values<"kto">, out: Output): Promise<void> =>
  trainingCommand(ktoRecipe(values, out), values, out);
