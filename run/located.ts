import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { hubSnapshot, type Purpose, parseHubName } from "../models/index.js";
import type { Voice } from "./voice.js";

/** Options that name a folder, and what is wanted of it where it is a repository of the Hub. */
const PLACES: Readonly<Record<string, Purpose>> = {
  ...{ model: "model", ref_model: "model", base_model: "model" },
  ...{ model_name_or_path: "model", ref_model_name_or_path: "model", base_model_name_or_path: "model" },
  adapter_name_or_path: "adapter",
  chat_template_path: "tokenizer",
  ...{ dataset_name: "dataset", eval_dataset: "dataset", retain_dataset: "dataset", data: "dataset" },
};

/** What is here wins; else a text like "owner/name" or "owner/name@revision" is a repository of the Hub, and downloaded. */
export const locate = async (written: string, purpose: Purpose, out: Voice): Promise<string> => {
  const name = parseHubName(written, purpose === "dataset" ? "dataset" : "model");
  if (name === undefined || existsSync(written)) return written;
  const tell = (line: string): void => {
    out.start(); // a download is worth a line at once
    out.note(line);
  };
  return hubSnapshot(name, { purpose, tell });
};

/** Options with folders for names of the Hub; for a mere plan of a run (`planned`) no more is fetched than that reads. Errors: as `hubSnapshot`. */
export const located = async <V extends object>(values: V, out: Voice, planned = false): Promise<V> => {
  const found: [string, string | string[]][] = [];
  for (const [option, value] of Object.entries(values)) {
    const place = PLACES[option];
    // A plan reads no rows, and no weights.
    const purpose = planned ? (place === "model" ? "config" : undefined) : place;
    if (purpose === undefined || value === undefined) continue;
    const places: string[] = [];
    for (const written of [value].flat()) places.push(await locate(written, purpose, out));
    found.push([option, Array.isArray(value) ? places : places[0]]);
  }
  return { ...values, ...Object.fromEntries(found) };
};

/** The same for a model that a recipe names: seen from the working folder, or from the recipe's. */
export const locateIn = async (recipe: string, written: string, out: Voice): Promise<string> =>
  existsSync(join(dirname(recipe), written)) ? written : locate(written, "model", out);
