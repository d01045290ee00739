import { toBytes } from "./bytes.js";
import { checkGrown, pieceOf } from "./limits.js";
import { replacer } from "./normalizers.js";
import { type Kinds, listOf, make } from "./piece.js";

/** Tokens → pieces of text, which are joined without a space. */
export type Decoder = (tokens: readonly string[]) => readonly string[];

const each =
  (change: (token: string, i: number, all: readonly string[]) => string): Decoder =>
  (tokens) =>
    tokens.map(change);

const lengthOf = (tokens: readonly string[]): number => tokens.reduce((sum, { length }) => sum + length, 0);

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A run of bytes as text: as many replacement characters as bytes if it is not UTF-8. */
const runOfBytes = (bytes: readonly number[]): readonly string[] => {
  try {
    return [strict.decode(Uint8Array.from(bytes))];
  } catch {
    return bytes.map(() => "�");
  }
};

const CLEANED: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/**
 * The decoders of tokenizer.json. Source: decoders/ of huggingface/tokenizers. Those of @huggingface/tokenizers 0.2 are not
 * used: ByteLevel cuts a character's bytes at an added token, ByteFallback makes one replacement character of a broken run
 * instead of one a byte, WordPiece cleans the whole text (for upstream).
 */
export const decoders: Kinds<Decoder> = {
  Sequence: ({ decoders: list }, refuse) => {
    const steps = listOf(list).map((config) => make(decoders, "decoder", config, refuse));
    return (tokens) =>
      steps.reduce((done, step) => {
        const made = step(done);
        checkGrown(lengthOf(made), lengthOf(tokens), refuse);
        return made;
      }, tokens);
  },
  ByteLevel: () => (tokens) => [lossy.decode(Uint8Array.from(tokens.flatMap(toBytes)))],
  ByteFallback: () => (tokens) => {
    const out: string[] = [];
    let run: number[] = [];
    const flush = (): void => {
      if (run.length > 0) out.push(...runOfBytes(run));
      run = [];
    };
    for (const token of tokens) {
      const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
      if (byte !== null) run.push(Number.parseInt(byte[1], 16));
      else {
        flush();
        out.push(token);
      }
    }
    flush();
    return out;
  },
  Fuse: () => (tokens) => [tokens.join("")],
  Replace: (config, refuse) => each(replacer(config, refuse)),
  Strip: ({ content, start, stop }) =>
    each((token) => {
      const chars = Array.from(token);
      let [from, to] = [0, chars.length];
      while (from < Number(start) && chars[from] === content) from++;
      while (chars.length - to < Number(stop) && to > from && chars[to - 1] === content) to--;
      return chars.slice(from, to).join("");
    }),
  Metaspace: ({ replacement = "▁", prepend_scheme: scheme, add_prefix_space: prefix }, refuse) => {
    const mark = pieceOf(replacement, "replacement", refuse);
    const never = prefix === false || scheme === "never";
    return each((token, i) => token.replaceAll(mark, i === 0 && !never ? "" : " "));
  },
  WordPiece: ({ prefix = "##", cleanup = true }, refuse) => {
    const start = pieceOf(prefix, "prefix", refuse);
    return each((token, i) => {
      const word = i === 0 ? token : token.startsWith(start) ? token.slice(start.length) : ` ${token}`;
      return cleanup === true ? CLEANED.reduce((done, [from, to]) => done.replaceAll(from, to), word) : word;
    });
  },
  BPEDecoder: ({ suffix = "</w>" }, refuse) => {
    const end = pieceOf(suffix, "suffix", refuse);
    return each((token, i, all) => token.replaceAll(end, i === all.length - 1 ? "" : " "));
  },
};
