import { InputError } from "../../../core/errors.js";

/** The language of a text, by ISO 639-1 (Chinese: zh); undefined where there is nothing to tell it by. */
export type Detect = (text: string) => string | undefined;

/**
 * Languages that IFEval's detector (langdetect) tells apart, as the package has them (ISO 639-3) and as IFEval does. Kept to
 * these, English is not taken for Scots, nor Nepali for Magahi.
 */
const LANGUAGES: Readonly<Record<string, string>> = Object.fromEntries(
  (
    "afr:af arb:ar bul:bg ben:bn cat:ca ces:cs cym:cy dan:da deu:de ell:el eng:en spa:es ekk:et est:et pes:fa fin:fi fra:fr " +
    "guj:gu heb:he hin:hi hrv:hr hun:hu ind:id ita:it jpn:ja kan:kn kor:ko lit:lt lvs:lv mkd:mk mal:ml mar:mr npi:ne nld:nl " +
    "nob:no pan:pa pol:pl por:pt ron:ro rus:ru slk:sk slv:sl som:so als:sq swe:sv swh:sw tam:ta tel:te tha:th tgl:tl tur:tr " +
    "ukr:uk urd:ur vie:vi cmn:zh"
  )
    .split(" ")
    .map((pair) => pair.split(":")),
);

/** Whether what a detector says is the language that is asked for; "zh-cn" and "zh-tw" are zh. */
export const isLanguage = (found: string, asked: string): boolean => found === asked || found === asked.split("-")[0];

/** A detector: the optional package `franc`. Errors: InputError without it. */
export const detector = async (): Promise<Detect> => {
  try {
    const { franc } = await import("franc");
    const options = { only: Object.keys(LANGUAGES), minLength: 1 };
    return (text) => LANGUAGES[franc(text, options)];
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new InputError(`telling the language of an answer takes one more package: npm install franc (${why})`);
  }
};
