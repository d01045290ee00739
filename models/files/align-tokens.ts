import { InputError } from "../../core/errors.js";
import { asks } from "../../core/expects.js";
import type { ModelConfig } from "../config.js";
import type { Tokenizer } from "../text/tokenizer.js";

/** A model's configuration with the tokenizer's special tokens, and what that changed in config.json. */
export interface Aligned {
  readonly config: ModelConfig;
  readonly changed: Readonly<Record<string, number | readonly number[]>>;
}

/**
 * The end, start and padding tokens of a model about to be trained, as transformers' Trainer and TRL align them before the first
 * step: the tokenizer's take the model's place; the model's own end tokens go on ending a generation behind it, and a list of
 * them in config.json stays one. What the tokenizer does not have stays the model's; padding falls back to the end token.
 * Errors: InputError if the model's table has no row for the tokenizer's end token.
 * Source: `align_special_tokens` of transformers 5.18.
 */
export const alignTokens = asks(
  "alignTokens",
  "record record",
  (
    config: ModelConfig,
    { eosId, eosToken, bosId, padId = eosId }: Pick<Tokenizer, "eosId" | "eosToken" | "bosId" | "padId">,
  ): Aligned => {
    const { raw, vocabSize, eosIds } = config;
    const fits = (id: number | undefined): id is number => id !== undefined && id < vocabSize;
    if (eosId !== undefined && !fits(eosId))
      throw new InputError(
        `the tokenizer's end token ${JSON.stringify(eosToken)} has id ${eosId}, beyond the model's vocabulary of ${vocabSize}: it can be neither learned nor said; resize the model's embedding, or name another eos_token in tokenizer_config.json`,
      );
    const changed: Record<string, number | readonly number[]> = {};
    const ends = [raw.eos_token_id].flat();
    if (eosId !== undefined && !(ends.includes(eosId) && eosIds.includes(eosId)))
      changed.eos_token_id = Array.isArray(raw.eos_token_id) ? [...new Set([eosId, ...(ends as number[])])] : eosId;
    if (fits(bosId) && (raw.bos_token_id !== bosId || config.bosId !== bosId)) changed.bos_token_id = bosId;
    if (fits(padId) && (raw.pad_token_id !== padId || config.padId !== padId)) changed.pad_token_id = padId;
    return {
      config: {
        ...config,
        raw: { ...raw, ...changed },
        eosIds: eosId === undefined ? eosIds : [...new Set("eos_token_id" in changed ? [eosId, ...eosIds] : eosIds)],
        bosId: fits(bosId) ? bosId : config.bosId,
        padId: fits(padId) ? padId : config.padId,
      },
      changed,
    };
  },
);
