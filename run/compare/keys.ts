import { InputError } from "../../core/errors.js";
import { instead } from "../../core/suggest.js";
import { type JsonObject, show } from "../../models/files/json.js";
import { TRAINING_KINDS, type TrainingKind } from "../fit/kinds.js";
import { canonical, readKeys, together } from "../keys/read.js";
import { takerOf } from "../keys/taker.js";
import { unknownKey } from "../keys/unknown.js";
import { takes, type Values } from "../options/takes.js";

/** Keys of a run, as they are written, and where. */
export interface KeySource {
  readonly where: string;
  readonly keys: JsonObject;
}

/** Keys that a comparison sets for every run, and what to write instead. */
const SET: Readonly<Record<string, string>> = {
  learning_rate: "it stands at the top, as a list for all methods, or in a method as one of its own",
  seed: "seeds stand at the top, as a list",
  output_dir: "it stands at the top, for all runs",
  ...Object.fromEntries(
    ["overwrite_output_dir", "resume", "dry_run", "push_to_hub", "hub_model_id", "hub_private_repo"].map((key) => [
      key,
      "a comparison sees to that itself; leave it out",
    ]),
  ),
};

/** What would make the path of a method begin, or be measured, elsewhere than the others'. */
const SHARED: Readonly<Record<string, string>> = {
  model_name_or_path: "all methods start from one model",
  device: "all methods run on one device",
};

/** Errors: InputError for keys that a method, or what all share, must not hold. */
export const checkPlace = ({ where, keys }: KeySource, isMethod: boolean): void => {
  for (const written of Object.keys(keys)) {
    const key = canonical(written);
    if (Object.hasOwn(SET, key)) throw new InputError(`${where}: ${written}: ${SET[key]}`);
    if (isMethod && Object.hasOwn(SHARED, key))
      throw new InputError(`${where}: ${written}: ${SHARED[key]}; name it under base`);
  }
};

/** The values of a run, later sources over earlier ones, and what is to be told of them. Errors: InputError naming place and key. */
export const runValues = <K extends TrainingKind>(
  kind: K,
  sources: readonly KeySource[],
): { readonly values: Values<K>; readonly notes: readonly string[] } => {
  const taker = takerOf(kind);
  const read = sources.map(({ where, keys }) =>
    readKeys(taker, {
      entries: Object.entries(keys),
      named: (name) => `${where}: ${name}`,
      unknown: (written) =>
        unknownKey({ where, written, taker, others: TRAINING_KINDS.map(takerOf), called: (name) => `taugrad ${name}` }),
    }),
  );
  const values = together(taker, ...read);
  const missing = takes[kind].required.find((name) => values[name] === undefined);
  if (missing !== undefined)
    throw new InputError(`${sources[0].where}: ${missing} is missing (${taker.options.get(missing)?.about})`);
  return { values: values as Values<K>, notes: read.flatMap(({ notes }) => notes) };
};

/** A kind of training by its name. Errors: InputError. */
export const kindOf = (given: unknown, where: string): TrainingKind => {
  const found = TRAINING_KINDS.find((kind) => kind === given);
  if (found !== undefined) return found;
  const other =
    typeof given === "string" ? instead(given, TRAINING_KINDS) : `it must be ${TRAINING_KINDS.join(" or ")}`;
  throw new InputError(`${where}: train is ${show(given)}; ${other}`);
};
