import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/train.js";

/** `taugrad kto`: training on labelled answers (KTO). */
export const ktoCommand = (values: Values<"kto">, out: Output): Promise<void> => trainingCommand("kto", values, out);
