import type { Device } from "../../core/index.js";
import { alignTokens, loadModel, type Model, type ModelConfig, type Tokenizer } from "../../models/index.js";
import type { Voice } from "../voice.js";

/** A run's configuration with the tokenizer's special tokens, and the same for the model when it is loaded. */
export interface WithTokens {
  readonly config: ModelConfig;
  readonly load: (folder: string, device?: Device) => Model;
}

/**
 * Aligns the model's end, start and padding tokens with the tokenizer's, so that what is learned, generated, evaluated and
 * saved ends with the same; says what changed. Only the model that is trained: a reference model generates nothing.
 * Errors: InputError for an end token that the model's table has no row for.
 */
export const withTokens = (config: ModelConfig, tokenizer: Tokenizer, folder: string, out: Voice): WithTokens => {
  const aligned = alignTokens(config, tokenizer);
  const words = Object.entries(aligned.changed).map(([name, id]) => `${name} ${[id].flat().join(" ")}`);
  if (words.length > 0)
    out.note(`note: ${folder}: the tokenizer's special tokens take the place of the model's: ${words.join(", ")}`);
  const load: WithTokens["load"] = (from, device) => {
    const model = loadModel(from, device);
    return from === folder ? { ...model, config: alignTokens(model.config, tokenizer).config } : model;
  };
  return { config: aligned.config, load };
};
