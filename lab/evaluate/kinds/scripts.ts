import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";

/** Scripts that a prompt is searched for; others may still be named by a task. */
const COMMON = (
  "Latin Cyrillic Greek Han Hiragana Katakana Hangul Arabic Hebrew Devanagari Bengali Tamil Telugu Thai Georgian Armenian " +
  "Gujarati Gurmukhi Kannada Malayalam Sinhala Khmer Lao Myanmar Ethiopic"
).split(" ");

/** Letters of a Unicode script. Errors: InputError if Unicode knows none of that name. */
const lettersOf = (script: string, where: string): RegExp => {
  try {
    if (!/^\w+$/.test(script)) throw new SyntaxError("no name");
    return new RegExp(`^\\p{Script=${script}}$`, "u");
  } catch {
    throw new InputError(
      `${where}: there is no script ${show(script)}; names are Unicode's, such as Latin, Han, Cyrillic`,
    );
  }
};

const letters = (text: string): readonly string[] => text.match(/\p{L}/gu) ?? [];

/** The scripts that a text is written in, of the common ones. */
export const scriptsIn = (text: string): readonly string[] => {
  const found = new Set(letters(text));
  return COMMON.filter((script) => {
    const own = lettersOf(script, "");
    return [...found].some((letter) => own.test(letter));
  });
};

/**
 * The share of a text's letters that belong to none of the scripts; 0 for a text without letters. Letters that scripts
 * share (`Common`, `Inherited`) are at home everywhere.
 */
export const foreignShare = (scripts: readonly string[], where: string): ((text: string) => number) => {
  const home = [...scripts, "Common", "Inherited"].map((script) => lettersOf(script, where));
  return (text) => {
    const all = letters(text);
    const foreign = all.filter((letter) => !home.some((script) => script.test(letter))).length;
    return all.length === 0 ? 0 : foreign / all.length;
  };
};
