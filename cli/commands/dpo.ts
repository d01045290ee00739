import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/train.js";

/** `taugrad dpo`: training on preference pairs. */
export const dpoCommand = (values: Values<"dpo">, out: Output): Promise<void> => trainingCommand("dpo", values, out);
