import { join } from "node:path";
import type { BatchSource, Rows, SourceOptions } from "../../align/data/rows.js";
import type { ReferencePair } from "../../align/data/source.js";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import { askReference } from "../../align/training/reference.js";
import { cachedReference, type ReferenceIdentity } from "../../align/training/reference-cache.js";
import { checkWritable } from "../checks/check.js";
import type { Values } from "../options/takes.js";
import type { Built, Parts } from "../recipe.js";
import { tellIdle, type Voice } from "../voice.js";
import { launchedBy } from "../workers/launch.js";
import { type LoadedReference, loadReference } from "./adapter.js";
import { paced } from "./pace.js";

type ComparedValues = Values<"dpo"> | Values<"kto">;

/** Checks the keys of precomputing. Errors: InputError for a folder that cannot be written to. */
export const checkCompared = ({ precompute_ref_log_probs, ref_log_probs_cache }: ComparedValues): void => {
  // Several ranks ask the model as batches come.
  if (ref_log_probs_cache !== undefined && precompute_ref_log_probs !== false && launchedBy(process.env) === undefined)
    checkWritable("ref_log_probs_cache", ref_log_probs_cache);
};

/** How a command compares. */
interface Compared<T> {
  readonly label: string;
  /** Makes a source of rows, with what the reference says of them if that is known. */
  readonly sourced: (
    rows: Rows<T>,
    options: SourceOptions & { readonly reference?: Rows<ReferencePair> },
  ) => BatchSource;
  /** What, beside model, rows and device, decides what the reference is asked. */
  readonly settings?: (options: SourceOptions) => ReferenceIdentity;
}

/** What an objective that compares looks at: the sources, and the reference model, or its log-probabilities on the sources. */
export const comparedSources = async <T>(
  { label, sourced, settings = () => ({}) }: Compared<T>,
  parts: Parts<ComparedValues, T>,
  out: Voice,
): Promise<Omit<Built, "objective">> => {
  const { values, device, choice, planned, rows, evalRows, training, evaluation } = parts;
  const { ref_model_name_or_path, model_name_or_path, adapter_name_or_path: adapter } = values;
  const folder = ref_model_name_or_path ?? model_name_or_path;
  if (!choice.precompute) {
    if (values.ref_log_probs_cache !== undefined && !planned)
      tellIdle(out, ["ref_log_probs_cache"], "without precompute_ref_log_probs");
    return {
      source: sourced(rows, training),
      evalSource: evalRows && sourced(evalRows, evaluation),
      ...loadReference(parts),
    };
  }
  let loaded: LoadedReference | undefined;
  const knowing = async (name: string, some: typeof rows, options: SourceOptions): Promise<BatchSource> => {
    const compute = () => {
      if (!planned) out.start();
      loaded ??= loadReference(parts);
      const inOrder = sourced(some, { ...options, shuffle: false, groupByLength: false });
      return askReference(
        loaded.reference,
        inOrder,
        device,
        paced(out, (percent) => `reference log-probabilities: ${percent} %`),
      );
    };
    const reference = planned
      ? await compute()
      : await cachedReference({
          path: join(
            values.ref_log_probs_cache ?? join(values.output_dir, ".cache"),
            `reference-${label}-${name}.json`,
          ),
          identity: {
            model: modelFingerprint(folder),
            ...(adapter !== undefined && { adapter: modelFingerprint(adapter) }),
            rows: some.fingerprint ?? "",
            device: device.name,
            ...settings(options),
          },
          rows: some.length,
          compute,
          tell: out.note,
        });
    return sourced(some, { ...options, reference });
  };
  try {
    return {
      source: await knowing("train", rows, training),
      evalSource: evalRows && (await knowing("eval", evalRows, evaluation)),
    };
  } finally {
    loaded?.release();
  }
};
