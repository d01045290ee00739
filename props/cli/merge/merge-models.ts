/** Small models in folders of their own, and recipes that merge them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Model, saveModel, type WeightsLayout } from "../../../models/index.js";
import { reference } from "../../close.js";
import { tinyConfig, tinyModel } from "../../generators/tiny-models.js";
import { scratch } from "../cli.js";

/** Files of this test process. */
export const folder = scratch();
/** A path among them. */
export const at = (name: string): string => join(folder, name);

/** Writes a recipe; YAML is a superset of JSON. */
export const recipe = (name: string, content: unknown): string => {
  const path = at(`${name}.yaml`);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};

interface Shape {
  readonly seed: number;
  readonly tied?: boolean;
  readonly vocab?: number;
  readonly layout?: WeightsLayout;
  readonly dtype?: Model["dtype"];
  readonly change?: Readonly<Record<string, unknown>>;
}

/** A small model in a folder of its own. */
export const model = async (
  name: string,
  { seed, tied = false, vocab = 19, layout, dtype, change }: Shape,
): Promise<string> => {
  const config = tinyConfig({ tie_word_embeddings: tied, vocab_size: vocab, num_hidden_layers: 3, ...change });
  const raw = { ...config.raw, torch_dtype: "float32" };
  const made = tinyModel({ ...config, raw }, reference, seed);
  await saveModel(at(name), { ...made, ...(layout && { layout }), ...(dtype && { dtype }) });
  return at(name);
};
