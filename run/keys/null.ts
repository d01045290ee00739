import { InputError } from "../../core/errors.js";
import type { Option } from "../options/kinds.js";
import type { KeyName } from "../options/table.js";

/** What null says of keys that have a default: TRL's and transformers' "none of it". */
export const NONE = {
  max_length: Number.POSITIVE_INFINITY,
  max_grad_norm: 0,
} satisfies Partial<Record<KeyName, unknown>>;

/** Keys without a default of their own that null says something of, or nothing, which is not the same as leaving them out. */
const REFUSED: Readonly<Partial<Record<KeyName, string>>> = {
  lora_target_modules: "PEFT then chooses by the model; name them, such as q_proj,v_proj",
  eval_strategy: 'say "no"',
  dataset_train_split: "leave it out for train",
  dataset_test_split: "leave it out for test",
  ...Object.fromEntries(
    ["adam_beta1", "adam_beta2", "adam_epsilon", "lora_r", "lora_alpha"].map((name) => [
      name,
      "leave it out for its default",
    ]),
  ),
};

/**
 * What a key says that is null: `none` is its value, undefined where that is as good as no key. Flags are false, as in Python.
 * Errors: InputError for a key of which null says nothing.
 */
export const ofNull = (
  name: string,
  { flag, value, fallback }: Option<unknown>,
  where: string,
): { readonly none: unknown } => {
  if (Object.hasOwn(NONE, name)) return { none: NONE[name as keyof typeof NONE] };
  const why = REFUSED[name as KeyName];
  if (why !== undefined) throw new InputError(`${where} is null; ${why}`);
  if (fallback === undefined) return { none: undefined };
  if (flag && (value === "" || value.includes("false"))) return { none: false };
  throw new InputError(
    `${where} is null, which says nothing of it; leave it out for ${String(fallback)}, or give ${value}`,
  );
};
