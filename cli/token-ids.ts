import { InputError } from "../core/errors.js";
import { readJsonObject, show } from "../models/files/json.js";
import { checkTokenIds } from "../models/text/tokenizer.js";

/** Ids of "1,2,3" (commas or blanks between). Errors: InputError. */
export const parseIds = (text: string, vocabSize: number): number[] => {
  const parts = text
    .trim()
    .replace(/^\[(.*)\]$/, "$1")
    .split(/\s*,\s*|\s+/);
  const wrong = parts.find((part) => !/^\d{1,10}$/.test(part));
  if (wrong !== undefined) throw new InputError(`--ids is ${show(text)}; it must be token ids such as "1,2,3"`);
  const ids = parts.map(Number);
  checkTokenIds(ids, vocabSize, "--ids");
  return ids;
};

/** Sequences of a file {"ids": [[…], …]}. Errors: InputError naming the file and the sequence. */
export const readIdsFile = (path: string, vocabSize: number): number[][] => {
  const { ids } = readJsonObject(path);
  if (!Array.isArray(ids)) throw new InputError(`${path}: must hold {"ids": [[1, 2, 3], …]}, its ids are ${show(ids)}`);
  if (ids.length === 0) throw new InputError(`${path}: ids holds no sequence`);
  return ids.map((sequence: unknown, i) => {
    const where = `${path}: ids[${i}]`;
    if (!Array.isArray(sequence)) throw new InputError(`${where} is ${show(sequence)}; it must be a list of token ids`);
    if (sequence.length === 0) throw new InputError(`${where} is empty; give at least one token`);
    checkTokenIds(sequence, vocabSize, where);
    return sequence as number[];
  });
};
