import { isObject, show } from "../../files/json.js";
import { checkGrown } from "./limits.js";
import { type Kinds, listOf, make } from "./piece.js";

/** Adds what belongs around the ids of one text. */
export type PostProcessor = (ids: readonly number[]) => readonly number[];

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** [token, id] of a field. */
const idOf = (value: unknown, refuse: (why: string) => Error): number => {
  if (!Array.isArray(value) || !isId(value[1])) throw refuse(`${show(value)} must be [token, id]`);
  return value[1];
};

const between: Kinds<PostProcessor>[string] = ({ cls, sep }, refuse) => {
  const [start, end] = [idOf(cls, refuse), idOf(sep, refuse)];
  return (ids) => [start, ...ids, end];
};

/** Parts of a template, and ids of a token: a published one has five, and one. */
const MOST_PARTS = 32;

/** The post-processors of tokenizer.json, for one text. Source: processors/ of huggingface/tokenizers. */
export const postProcessors: Kinds<PostProcessor> = {
  Sequence: ({ processors }, refuse) => {
    const steps = listOf(processors).map((config) => make(postProcessors, "post-processor", config, refuse));
    return (ids) =>
      steps.reduce((done, step) => {
        const made = step(done);
        checkGrown(made.length, ids.length, refuse);
        return made;
      }, ids);
  },
  // Only offsets, which nobody asks for here.
  ByteLevel: () => (ids) => ids,
  BertProcessing: between,
  RobertaProcessing: between,
  TemplateProcessing: ({ single, special_tokens: special }, refuse) => {
    if (!Array.isArray(single) || single.length === 0 || single.length > MOST_PARTS)
      throw refuse(`single is ${show(single)}; it must be a list of 1 to ${MOST_PARTS} parts`);
    const parts = single.map((part: unknown) => {
      if (!isObject(part))
        throw refuse(`single holds ${show(part)}; a part must be {"SpecialToken": …} or {"Sequence": …}`);
      const { SpecialToken: token, Sequence: text } = part;
      if (isObject(text)) return undefined;
      const name = isObject(token) ? token.id : undefined;
      const isNamed = isObject(special) && typeof name === "string" && Object.hasOwn(special, name);
      const entry = isNamed ? special[name] : undefined;
      if (!isObject(entry) || !Array.isArray(entry.ids) || entry.ids.length > MOST_PARTS || !entry.ids.every(isId))
        throw refuse(`special token ${show(name)} has no ids`);
      return entry.ids as readonly number[];
    });
    return (ids) => parts.flatMap((part) => part ?? ids);
  },
};
