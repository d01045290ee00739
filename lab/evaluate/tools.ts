import type { LanguageName } from "./code/languages.js";
import { type Runner, runnerOf } from "./code/sandbox.js";
import { englishSplit } from "./kinds/english.js";
import { type Detect, detector } from "./kinds/languages.js";
import type { Split } from "./kinds/punkt.js";

/** What scoring may need that is not in an answer: each made once, when it is first asked for. */
export interface Tools {
  /** Runs programs of a language. Errors: InputError without interpreter or sandbox. */
  readonly runner: (language: LanguageName) => Promise<Runner>;
  /** Tells languages apart. Errors: InputError without the package for it. */
  readonly detect: () => Promise<Detect>;
  /** Tells sentences apart. Errors: InputError without the package for it. */
  readonly split: () => Promise<Split>;
}

export interface ToolOptions {
  /** Run generated programs with the user's own rights, where there may be no sandbox. Default false. */
  readonly unsandboxed?: boolean;
}

const once = <K, V>(make: (key: K) => Promise<V>): ((key: K) => Promise<V>) => {
  const made = new Map<K, Promise<V>>();
  return (key) => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    return known;
  };
};

export const toolsOf = ({ unsandboxed = false }: ToolOptions = {}): Tools => ({
  runner: once((language: LanguageName) => runnerOf(language, unsandboxed)),
  detect: once<void, Detect>(detector),
  split: once<void, Split>(englishSplit),
});
