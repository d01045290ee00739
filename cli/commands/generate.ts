import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { readConfig } from "../../models/config.js";
import { fileExists } from "../../models/files/json.js";
import {
  continueTexts,
  type Generator,
  type Model,
  streamText,
  type Tokenizer,
  textBefore,
} from "../../models/index.js";
import { trainingTokenizer } from "../../run/parts/chat-template.js";
import type { Values } from "../options.js";
import { forReader, type Output } from "../output.js";
import { inBatches } from "../speaking/batches.js";
import { type Prompt, promptOf, readPrompts } from "../speaking/prompts.js";
import { samplingOf } from "../speaking/sampling.js";
import { withModel } from "../speaking/speaker.js";
import { parseIds } from "../token-ids.js";

/** `taugrad generate`: prompts and what the model adds to them, or its answers. */
export const generateCommand = async (values: Values<"generate">, out: Output): Promise<void> => {
  const { prompt, ids, prompts: file, stream, num_return_sequences: samples, batch_size: size } = values;
  if ([prompt, ids, file].filter((given) => given !== undefined).length !== 1)
    throw new InputError('taugrad generate needs one of --prompt TEXT and --ids "1,2,3", or --prompts FILE');
  if (values.greedy && samples > 1)
    throw new InputError(`--greedy has one answer, and --num-return-sequences asks for ${samples}; leave either out`);
  const isOne = file === undefined && samples === 1;
  if (stream && (out.json || !isOne))
    throw new InputError(
      "--stream prints one text as it comes; it goes with neither --json, --prompts nor several samples",
    );
  const tokenizer = tokenizerOf(values, out);
  const { vocabSize, maxPositions } = readConfig(values.model);
  const prompts = await promptsOf(values, tokenizer, vocabSize);
  const options = samplingOf(values, 64, out);
  const reach = prompts.reduce((most, { ids }) => Math.max(most, ids.length), 0) + options.maxNewTokens;
  if (reach > maxPositions)
    out.note(
      `note: a text may have ${reach} tokens, the model was made for ${maxPositions}; past these it may lose its way`,
    );

  /** The text of a prompt that is continued stands before its continuation; an answer stands alone. */
  const shown = ({ ids, isAnswered }: Prompt, text: string): string =>
    isAnswered || tokenizer === undefined ? text : textBefore(tokenizer, ids) + text;
  const asking = { ...options, stop: values.stop ?? [] };
  type Told = { readonly ids: readonly number[]; readonly text: string | null; readonly end?: string };
  const askerOf = (model: Pick<Model, "config" | "params">, go: Generator) => {
    if (tokenizer === undefined)
      return async (rows: readonly (readonly number[])[], streams: readonly number[]): Promise<Told[]> =>
        (await go(model.params, rows, { ...options, streams })).map((ids) => ({ ids, text: null }));
    return (rows: readonly (readonly number[])[], streams: readonly number[]): Promise<Told[]> =>
      continueTexts(go, { ...model, tokenizer }, rows, { ...asking, streams });
  };
  await withModel(values, out, async (model, go) => {
    if (stream && tokenizer !== undefined) {
      out.start();
      process.stdout.write(forReader(shown(prompts[0], "")));
      for await (const { text } of streamText(go, { ...model, tokenizer }, prompts[0].ids, asking))
        process.stdout.write(forReader(text));
      process.stdout.write("\n");
      return;
    }
    await inBatches(prompts, { samples, size }, askerOf(model, go), ({ index, sample }, { ids, text: own, end }) => {
      const text = own === null ? null : shown(prompts[index], own);
      const line = isOne ? {} : { index, ...(samples > 1 && { sample }), end };
      out.result({ ...line, ids, text }, () => text ?? ids.join(","), { exact: true });
    });
  });
};

/** The tokenizer; none where ids are continued by a folder that has none. */
const tokenizerOf = (values: Values<"generate">, out: Output): Tokenizer | undefined => {
  const { model: folder, chat_template_path, stop, stream } = values;
  const isThere = fileExists(join(folder, "tokenizer.json"));
  if (!isThere && values.prompt === undefined && values.ids !== undefined) {
    if (stop !== undefined || stream)
      throw new InputError(`${folder}: holds no tokenizer.json, so there is no text to stop or to stream`);
    out.note(`${folder}: holds no tokenizer.json, so there is no text`);
    return undefined;
  }
  return trainingTokenizer({ model_name_or_path: folder, chat_template_path }, out).tokenizer;
};

const promptsOf = async (
  values: Values<"generate">,
  tokenizer: Tokenizer | undefined,
  vocabSize: number,
): Promise<Prompt[]> => {
  const { model: folder, prompt, ids, prompts: file, chat, system, template_kwargs: variables } = values;
  const reading = { tokenizer, vocabSize, folder, chat, system, variables };
  if (file !== undefined) return readPrompts(file, reading);
  if (ids !== undefined) return [promptOf({ ids: parseIds(ids, vocabSize) }, "--ids", reading)];
  return [promptOf(prompt as string, "--prompt", reading)];
};
