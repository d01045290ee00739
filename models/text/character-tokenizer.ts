import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { asks } from "../../core/expects.js";
import { writeTextAtomically } from "../files/writing/atomic.js";

/** A vocabulary of single characters and special tokens; a token's id is its place in `tokens`. */
export interface CharacterVocabulary {
  readonly tokens: readonly string[];
  readonly special: {
    readonly bos?: string;
    readonly eos?: string;
    readonly pad?: string;
    /** Further special tokens, for instance the marks of a turn. */
    readonly others?: readonly string[];
  };
  /** Written as chat_template.jinja. */
  readonly chatTemplate?: string;
}

/**
 * Writes tokenizer.json and tokenizer_config.json of a character-level vocabulary, as transformers (and `loadTokenizer`)
 * read them: byte-pair encoding without a single merge. Nothing is added to a text; characters outside are dropped.
 * Errors: InputError if a special token is not among the tokens, or another token is longer than one character.
 */
export const writeCharacterTokenizer = asks(
  "writeCharacterTokenizer",
  "text record",
  (folder: string, { tokens, special, chatTemplate }: CharacterVocabulary): void => {
    const { bos, eos, pad, others = [] } = special;
    const specials = new Set([bos, eos, pad, ...others].filter((token) => token !== undefined));
    const missing = [...specials].find((token) => !tokens.includes(token));
    if (missing !== undefined)
      throw new InputError(`character tokenizer: special token "${missing}" is not among the tokens`);
    const long = tokens.find((token) => !specials.has(token) && [...token].length !== 1);
    if (long !== undefined)
      throw new InputError(`character tokenizer: token ${JSON.stringify(long)} is neither special nor one character`);
    const definition = {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: tokens.flatMap((content, id) =>
        specials.has(content)
          ? [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }]
          : [],
      ),
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: "Fuse" },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: [],
      },
    };
    const config = {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      ...(bos === undefined ? {} : { bos_token: bos }),
      ...(eos === undefined ? {} : { eos_token: eos }),
      ...(pad === undefined ? {} : { pad_token: pad }),
    };
    const write = (name: string, text: string): void => writeTextAtomically(join(folder, name), text);
    write("tokenizer.json", `${JSON.stringify(definition, null, 2)}\n`);
    write("tokenizer_config.json", `${JSON.stringify(config, null, 2)}\n`);
    if (chatTemplate !== undefined) write("chat_template.jinja", chatTemplate);
  },
);
