import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/command.js";
import { dpoRecipe } from "../training/recipes/dpo.js";

/** `taugrad dpo`: training on preference pairs. */
export const dpoCommand = async (values: Values<"dpo">, out: Output): Promise<void> =>
  trainingCommand(dpoRecipe(values, out), values, out);
