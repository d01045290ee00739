import { collate } from "../../align/data/batch.js";
import type { BatchTensors } from "../../align/objectives/log-probs.js";
import { tokenScores } from "../../align/objectives/log-probs.js";
import { batchTensors } from "../../align/training/reference.js";
import { compile, dispose, InputError, read } from "../../core/index.js";
import { readConfig } from "../../models/config.js";
import { checkTokenIds, loadModel, loadTokenizer, type Params } from "../../models/index.js";
import { withDevice } from "../../run/device.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { readIdsFile } from "../token-ids.js";

/** Tokens that one batch may have, padding included, if it has more than one sequence. */
const MOST_TOKENS = 2 ** 13;
const MOST_ROWS = 8;

/** Neighbours in `sequences` that are computed together. */
const batches = (sequences: readonly (readonly number[])[]): number[][][] => {
  const out: number[][][] = [];
  let longest = 0;
  for (const ids of sequences) {
    const last = out[out.length - 1];
    const length = Math.max(longest, ids.length);
    const fits = last !== undefined && last.length < MOST_ROWS && (last.length + 1) * length <= MOST_TOKENS;
    if (fits) last.push([...ids]);
    else out.push([[...ids]]);
    longest = fits ? length : ids.length;
  }
  return out;
};

/** `taugrad logprobs`: entry t of a sequence is the log-probability of token t+1 given tokens 0 … t. */
export const logprobsCommand = async (values: Values<"logprobs">, out: Output): Promise<void> => {
  const { model: folder, ids_file, text } = values;
  if ((ids_file === undefined) === (text === undefined))
    throw new InputError("taugrad logprobs needs one of --ids-file FILE and --text TEXT");
  const { vocabSize } = readConfig(folder);
  const sequences =
    ids_file !== undefined ? readIdsFile(ids_file, vocabSize) : [textIds(folder, text as string, vocabSize)];
  const logps = await withDevice(values, out, async (device) => {
    const { config, params } = loadModel(folder, device);
    const score = compile((p: Params, { ids, targets }: BatchTensors) => tokenScores(p, config, ids, targets), device, {
      name: "logprobs",
    });
    const found: number[][] = [];
    for (const rows of batches(sequences)) {
      const batch = collate(
        rows.map((row) => ({ ids: row, completionStart: 0 })),
        { padId: 0 },
      );
      const result = score(params, batchTensors(batch, false));
      const all = await read(result).finally(() => dispose(result));
      let at = 0; // targets stand row by row, all tokens but the first
      for (const row of rows) {
        found.push(Array.from(all.subarray(at, at + row.length - 1)));
        at += row.length - 1;
      }
    }
    dispose(params);
    return found;
  });
  refuseNotFinite(folder, logps);
  out.result({ token_logps: logps }, () => summary(logps));
};

const textIds = (folder: string, text: string, vocabSize: number): number[] => {
  const ids = loadTokenizer(folder).encode(text);
  checkTokenIds(ids, vocabSize, folder);
  if (ids.length === 0) throw new InputError("--text has no token");
  return ids;
};

/** JSON has no NaN and no infinity, and a null in their place would be found late. */
const refuseNotFinite = (folder: string, logps: readonly (readonly number[])[]): void => {
  if (logps.some((row) => row.some((x) => !Number.isFinite(x))))
    throw new InputError(
      `${folder}: log-probabilities are not finite numbers; the weights are broken or have diverged`,
    );
};

const summary = (logps: readonly (readonly number[])[]): string =>
  logps
    .map((row, i) => {
      const sum = row.reduce((a, b) => a + b, 0);
      const mean = row.length === 0 ? 0 : sum / row.length;
      return `sequence ${i}: ${row.length + 1} tokens, log-prob ${sum.toFixed(4)}, ${mean.toFixed(4)} a token, perplexity ${Math.exp(-mean).toFixed(3)}`;
    })
    .join("\n");
