import { isObject, type JsonObject, show } from "../../files/json.js";
import { inTime } from "../../platform/node/in-time.js";
import { type AddedToken, addedTokenSplitter } from "./added-tokens.js";
import { decoders } from "./decoders.js";
import { checkGrown, LONGEST_PIECE, LONGEST_PIECES, LONGEST_TEXT, timeOf } from "./limits.js";
import { modelConfig, models } from "./models.js";
import { normalizers } from "./normalizers.js";
import { tokenBytes, tokenPlaces } from "./offsets.js";
import { type Kinds, make } from "./piece.js";
import { postProcessors } from "./post-processors.js";
import { preTokenizers } from "./pre-tokenizers.js";
import { addedTokens, asTransformers, type TokenizerFiles } from "./transformers.js";

/** Text ↔ ids. */
export interface Pipeline {
  readonly encode: (text: string, addSpecialTokens: boolean) => readonly number[];
  readonly decode: (ids: readonly number[], skipSpecialTokens: boolean) => string;
  /** Where each token begins and ends in the text that it was made of, in UTF-16 units. Errors: Error if it cannot be told. */
  readonly places: (text: string, ids: readonly number[]) => ReturnType<typeof tokenPlaces>;
  readonly tokenToId: (token: string) => number | undefined;
  /** Highest id + 1. */
  readonly size: number;
}

/** Errors: whatever `refuse` makes, for added tokens that no text would hold, or that take too much memory to look for. */
const checkPieces = (tokens: readonly AddedToken[], refuse: (why: string) => Error): void => {
  const longest = tokens.reduce((most, { content }) => Math.max(most, content.length), 0);
  if (longest > LONGEST_PIECE)
    throw refuse(`has an added token of ${longest} characters, at most ${LONGEST_PIECE} are taken`);
  const all = tokens.reduce((sum, { content }) => sum + content.length, 0);
  if (all > LONGEST_PIECES) throw refuse(`has added tokens of ${all} characters, at most ${LONGEST_PIECES} are taken`);
};

/**
 * Builds the tokenizer that transformers 5 builds from the same files: added tokens are cut out of the text, the rest is
 * normalized, added tokens that want it are cut out of that, and what remains is pre-tokenized and handed to the model.
 * Of @huggingface/tokenizers the translation of regular expressions is used (`pattern.ts`); what is wrong with its other parts
 * stands beside each, for upstream. Errors: whatever `refuse` makes, for a part that is not known.
 */
export const pipeline = (files: TokenizerFiles, refuse: (why: string) => Error): Pipeline => {
  const definition = asTransformers(files);
  const part = <Step>(name: string, kinds: Kinds<Step>): Step | undefined => {
    const config = definition[name];
    if (config == null) return undefined;
    if (!isObject(config)) throw refuse(`${name} must be an object, is ${show(config)}`);
    return make(kinds, name, config, refuse);
  };
  const time = timeOf(definition, refuse);
  const guarded = <T>(what: string, length: number, run: () => T): T => {
    if (length > LONGEST_TEXT) throw refuse(`${what} has ${length} characters, at most ${LONGEST_TEXT} are taken`);
    const limit = time(length);
    try {
      return limit === undefined
        ? run()
        : inTime(limit, (why) => refuse(`${what} of ${length} characters ${why}`), run);
    } catch (error) {
      throw error instanceof RangeError
        ? refuse(`${what} of ${length} characters cannot be used: ${error.message}`)
        : error;
    }
  };
  const model = make(models, "model", modelConfig(definition.model ?? {}) as JsonObject, refuse);
  const normalize = part("normalizer", normalizers) ?? ((text: string) => text);
  const cut = part("pre_tokenizer", preTokenizers) ?? ((piece) => [piece]);
  const decode = part("decoder", decoders);

  const ids = new Map(model.vocabulary);
  let most = -1;
  const list = addedTokens(files);
  checkPieces(list, refuse);
  const added = list.map((token) => {
    // As tokenizers counts: a new token gets the id after all others, whatever the file says.
    const id = ids.get(token.content) ?? Math.max(most + 1, model.vocabulary.size);
    most = Math.max(most, id);
    ids.set(token.content, id);
    return { token, id };
  });
  const all = list.reduce((sum, { content }) => sum + content.length, 0);
  const sought = guarded("a list of added tokens", all, () =>
    added.map(({ token, id }) => {
      return { token, id, text: token.normalized ? normalize(token.content) : token.content };
    }),
  );
  const cutAdded = addedTokenSplitter(sought.filter(({ token }) => !token.normalized));
  const cutNormalized = addedTokenSplitter(sought.filter(({ token }) => token.normalized));

  const finish = part("post_processor", postProcessors);

  const tokenize: Pipeline["encode"] = (text, addSpecialTokens) => {
    const own: number[] = [];
    let made = 0;
    for (const section of cutAdded({ text, first: true })) {
      if ("id" in section) own.push(section.id);
      else {
        // What the normalizer drops in front counts as text before the piece.
        const start = String.fromCodePoint(section.text.codePointAt(0) as number);
        const piece = { text: normalize(section.text), first: section.first && normalize(start) !== "" };
        made += piece.text.length;
        checkGrown(made, text.length, refuse);
        for (const inner of piece.text === "" ? [] : cutNormalized(piece)) {
          if ("id" in inner) own.push(inner.id);
          else
            for (const word of cut(inner))
              if (word.text !== "") for (const id of model.tokenize(word.text)) own.push(id);
        }
      }
    }
    return addSpecialTokens && finish !== undefined ? finish(own) : own;
  };

  const tokens = new Map([...ids].map(([token, id]) => [id, token]));
  const bytesOf = tokenBytes(definition);
  const isAdded = new Set(added.map(({ id }) => id));
  // As tokenizers 0.23 has it, an added token reads as it was sought, and is skipped if that is a special one's text.
  const readAs = new Map([...tokens, ...sought.map(({ id, text }) => [id, text] as const)]);
  const skipped = new Set(added.filter(({ token }) => token.special).map(({ token }) => token.content));
  return {
    encode: (text, addSpecialTokens) => guarded("a text", text.length, () => tokenize(text, addSpecialTokens)),
    decode: (list, skipSpecialTokens) => {
      const texts = list
        .map((id) => readAs.get(id))
        .filter((token) => token !== undefined)
        .filter((token) => !(skipSpecialTokens && skipped.has(token)));
      const length = texts.reduce((sum, text) => sum + text.length, 0);
      return guarded("a text", length, () => (decode === undefined ? texts.join(" ") : decode(texts).join("")));
    },
    places: (text, list) =>
      tokenPlaces(
        text,
        list.map((id) => bytesOf(tokens.get(id) ?? "", isAdded.has(id))),
      ),
    tokenToId: (token) => ids.get(token),
    size: [...ids.values()].reduce((most, id) => Math.max(most, id + 1), 0),
  };
};
