import { isObject, show } from "../../files/json.js";
import { type Kinds, listOf, make } from "./piece.js";

/** Adds what belongs around the ids of one text. */
export type PostProcessor = (ids: readonly number[]) => readonly number[];

/** [token, id] of a field. */
const idOf = (value: unknown, refuse: (why: string) => Error): number => {
  if (!Array.isArray(value) || typeof value[1] !== "number") throw refuse(`${show(value)} must be [token, id]`);
  return value[1];
};

const between: Kinds<PostProcessor>[string] = ({ cls, sep }, refuse) => {
  const [start, end] = [idOf(cls, refuse), idOf(sep, refuse)];
  return (ids) => [start, ...ids, end];
};

/** The post-processors of tokenizer.json, for one text. Source: processors/ of huggingface/tokenizers. */
export const postProcessors: Kinds<PostProcessor> = {
  Sequence: ({ processors }, refuse) => {
    const steps = listOf(processors).map((config) => make(postProcessors, "post-processor", config, refuse));
    return (ids) => steps.reduce((done, step) => step(done), ids);
  },
  // Only offsets, which nobody asks for here.
  ByteLevel: () => (ids) => ids,
  BertProcessing: between,
  RobertaProcessing: between,
  TemplateProcessing: ({ single, special_tokens: special }, refuse) => {
    const parts = listOf(single).map(({ SpecialToken: token, Sequence: text }) => {
      if (isObject(text)) return undefined;
      const name = isObject(token) ? token.id : undefined;
      const entry = isObject(special) && typeof name === "string" ? special[name] : undefined;
      if (!isObject(entry) || !Array.isArray(entry.ids)) throw refuse(`special token ${show(name)} has no ids`);
      return entry.ids as readonly number[];
    });
    return (ids) => parts.flatMap((part) => part ?? ids);
  },
};
