import { handbookKeys, llamaFactoryKeys } from "./recipes.js";
import type { Keys, Reader } from "./row.js";
import { transformersKeys } from "./transformers.js";
import { dpoKeys, ktoKeys, modelKeys, scriptKeys, sftKeys, trlKeys } from "./trl.js";

/** Where keys come from, with what is done with each. The last one that knows a key wins. */
export const ORIGINS: readonly (readonly [origin: string, readers: readonly Reader[], keys: Keys])[] = [
  ["LLaMA-Factory", ["sft", "dpo", "kto", "fit"], llamaFactoryKeys],
  ["alignment-handbook", ["sft", "dpo", "kto", "fit"], handbookKeys],
  ["transformers: TrainingArguments", ["sft", "dpo", "kto", "fit"], transformersKeys],
  ["TRL: ScriptArguments", ["sft", "dpo", "kto", "fit"], scriptKeys],
  ["TRL: ModelConfig", ["sft", "dpo", "kto", "fit"], modelKeys],
  ["TRL: all configurations", ["sft", "dpo", "kto", "fit"], trlKeys],
  ["TRL: SFTConfig", ["sft", "fit"], sftKeys],
  ["TRL: KTOConfig", ["kto", "fit"], ktoKeys],
  ["TRL: DPOConfig, and CPOConfig and ORPOConfig before 1.0", ["dpo", "fit"], dpoKeys],
];

const collected = (reader: Reader): Keys =>
  Object.assign({}, ...ORIGINS.filter(([, readers]) => readers.includes(reader)).map(([, , keys]) => keys));

const TABLES: Readonly<Record<Reader, Keys>> = {
  sft: collected("sft"),
  dpo: collected("dpo"),
  kto: collected("kto"),
  fit: collected("fit"),
};

/** The keys of other trainers that a command knows; of other commands none. */
export const keysOf = (command: string): Keys => (Object.hasOwn(TABLES, command) ? TABLES[command as Reader] : {});
