import { copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { besideCheckout, goldenJson, goldenPath } from "./files.js";

/** Reference models of the families: values as transformers makes them, row by row without padding. */
export const FAMILIES = ["gemma2", "gemma3", "granite", "mistral", "olmo2", "phi3", "qwen3", "smollm3"] as const;
export type GoldenFamily = (typeof FAMILIES)[number];

const folderOf = (name: GoldenFamily): string => `${name}-tiny`;

/** A JSON file of a family's reference values; the caller names its type. */
export const familyJson = <T>(name: GoldenFamily, file: string): T => goldenJson<T>("families", folderOf(name), file);

const WEIGHTS = "model.safetensors";

/**
 * Lends a model folder with config.json in either spelling. Three families' weights lie here, and cover between them what sets
 * families apart; those of the others, half a megabyte each, lie beside the checkout on some machines: undefined elsewhere.
 */
export const withFamily = async (
  name: GoldenFamily,
  spelling: "config.json" | "config.published.json",
  use: (folder: string) => Promise<void>,
): Promise<void> => {
  const here = goldenPath("families", folderOf(name));
  const weights = existsSync(join(here, WEIGHTS)) ? here : besideCheckout("golden", "families", folderOf(name));
  if (weights === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "taugrad-family-"));
  try {
    copyFileSync(join(here, spelling), join(folder, "config.json"));
    copyFileSync(join(here, "generation_config.json"), join(folder, "generation_config.json"));
    symlinkSync(join(weights, WEIGHTS), join(folder, WEIGHTS));
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
