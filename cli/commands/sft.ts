import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { trainingCommand } from "../training/train.js";

/** `taugrad sft`: training on instructions, or documents. */
export const sftCommand = (values: Values<"sft">, out: Output): Promise<void> => trainingCommand("sft", values, out);
