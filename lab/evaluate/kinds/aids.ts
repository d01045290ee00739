import type { Tools } from "../tools.js";
import type { Detect } from "./languages.js";
import type { Split } from "./punkt.js";

/** What some instructions of IFEval ask of an answer, by optional packages. */
export interface Aids {
  readonly detect: Detect;
  readonly split: Split;
}

const ASKS: Readonly<Record<string, keyof Aids>> = {
  "language:response_language": "detect",
  "change_case:english_capital": "detect",
  "change_case:english_lowercase": "detect",
  "change_case:capital_word_frequency": "split",
  "length_constraints:number_sentences": "split",
};

/** What these instructions ask, and no more. Errors: InputError naming a package that is not there. */
export const aidsOf = async (ids: readonly string[], tools: Tools): Promise<Aids> => {
  const asked = new Set(ids.filter((id) => Object.hasOwn(ASKS, id)).map((id) => ASKS[id]));
  return Object.fromEntries(await Promise.all([...asked].map(async (aid) => [aid, await tools[aid]()]))) as Aids;
};
