import { paddingId } from "../align/data/batch.js";
import { fromFirst } from "../align/training/workers/workers.js";
import type { Device } from "../core/index.js";
import { checkTasks } from "../lab/evaluate/index.js";
import type { ModelConfig } from "../models/config.js";
import { type SideFiles, sideFilesOf } from "../models/index.js";
import { checkOutput, checkTogether, readConfigs, withDtype } from "./checks/check.js";
import { checkStart, tellDrift, tellModel } from "./checks/start-checks.js";
import { withDevice } from "./device.js";
import { choose } from "./dry-run/choose.js";
import { dryRun, type RunPlan } from "./dry-run/dry-run.js";
import type { Outline } from "./dry-run/rehearsal.js";
import type { Host } from "./host.js";
import { withRules } from "./options/rule-file.js";
import type { TrainingValues } from "./options/takes.js";
import { hubTarget, pushed } from "./outputs/hub.js";
import { originOf } from "./outputs/model-card.js";
import { runOutputs } from "./outputs/outputs.js";
import { checkAdapter } from "./parts/adapter.js";
import { withTask } from "./parts/assemble.js";
import { checkBest, checkBestMetric } from "./parts/best.js";
import { checkCadence, evalRowsOf, evalStrategy } from "./parts/cadence.js";
import { trainingTokenizer } from "./parts/chat-template.js";
import { readDataset, tellSeen } from "./parts/data.js";
import { benchmarksOf } from "./parts/evaluation.js";
import { readRetained, retainedDigests } from "./parts/retained.js";
import { withTokens } from "./parts/special-tokens.js";
import { spanOf } from "./parts/task.js";
import type { Choice, Recipe } from "./recipe.js";
import type { RunResult } from "./result.js";
import { checkUnused, claimOf, goesOn } from "./running/claim.js";
import { withRemedies } from "./running/out-of-memory.js";
import { runTask } from "./running/run.js";
import { earlyIdentity, overRanks } from "./running/same-run.js";
import { adapterOf } from "./workers/adapter.js";
import { hostOf, type Team, teamFor, told } from "./workers/team.js";
import { checkOwn } from "./writing/claim.js";
import { type Locked, whileLocked } from "./writing/locked.js";

/** What has been read of a run before its data: settings that go together, benchmarks, the model's configuration. */
interface Checked<V> {
  readonly values: V;
  readonly asRead: ModelConfig;
  readonly sideFiles: SideFiles;
  readonly evaluates: boolean;
  readonly benchmarks: Awaited<ReturnType<typeof benchmarksOf>>;
  readonly team: Team;
}

/** The folder as a rank has it that writes nothing there. */
const ELSEWHERE: Locked = { state: () => "held", retake: () => {} };

/**
 * A run from its checked keys to the saved model; with dry_run only what would be run. Errors: InputError, DeviceError, … for what
 * the caller can mend, each in one line; the reason of the host's signal, where it asks to stop before the first step.
 */
export const trainingRun = async <V extends TrainingValues, T>(
  recipe: Recipe<V, T>,
  given: V,
  out: Host,
): Promise<RunResult | RunPlan> => {
  const team = await teamFor(given, out);
  try {
    return await rankRun(recipe, given, hostOf(out, team), team);
  } catch (error) {
    throw told(error, team, given, out);
  }
};

/** The run as one of its ranks does it. */
const rankRun = async <V extends TrainingValues, T>(
  recipe: Recipe<V, T>,
  given: V,
  out: Host,
  team: Team,
): Promise<RunResult | RunPlan> => {
  const values = await withRules(withDtype(given));
  checkTogether(values, out);
  if (team.isFirst) checkOutput(values);
  const sideFiles = sideFilesOf(values.model_name_or_path);
  checkCadence(values, out);
  checkBest(values, out);
  const evaluates = evalStrategy(values) !== "no" || values.eval_on_start;
  const benchmarks = evaluates ? await benchmarksOf(values) : undefined;
  const asRead = readConfigs(values);
  checkAdapter(values, asRead, out);
  tellModel(asRead, values, out);
  const checked = { values, asRead, sideFiles, evaluates, benchmarks, team };
  if (values.dry_run) {
    await hubTarget(values, out);
    return withData(recipe, checked, out, undefined);
  }
  if (!team.isFirst) return withData(recipe, checked, out, ELSEWHERE);
  const place = { folder: values.output_dir, what: recipe.label };
  return whileLocked(place, out, async (lock) => {
    checkUnused(values, out);
    const early = earlyIdentity(overRanks(values, team.workers));
    if (!goesOn(values)) checkOwn(claimOf(values, recipe.label, out), early, () => {});
    const target = await hubTarget(values, out);
    const result = await withData(recipe, checked, out, lock);
    if (target !== undefined && !("stopped" in result && result.stopped)) await pushed(target, values, out);
    return result;
  });
};

/** The same from the data on; without a lock nothing is written. */
const withData = async <V extends TrainingValues, T>(
  recipe: Recipe<V, T>,
  { values, asRead, sideFiles, evaluates, benchmarks, team }: Checked<V>,
  out: Host,
  lock: Locked | undefined,
): Promise<RunResult | RunPlan> => {
  const { label, read } = recipe;
  const { workers, threads } = team;
  const { dataset_name: path } = values;
  const { tokenizer, chatTemplate } = trainingTokenizer(values, out);
  recipe.checkTokenizer?.(tokenizer);
  const { config, load } = withTokens(asRead, tokenizer, values.model_name_or_path, out);
  if (benchmarks !== undefined) await checkTasks(benchmarks, { tokenizer, maxPositions: config.maxPositions });
  const { vocabSize } = config;
  const tokens = {
    maxLength: values.max_length,
    truncationMode: values.truncation_mode,
    vocabSize,
    inflation: values.max_inflation,
    longestRow: values.max_row_bytes,
  };
  const cut = { ...tokens, ...recipe.cut };
  const own = { config: values.dataset_config, split: values.dataset_train_split, limit: values.limit };
  const rows = await readDataset(read, path, tokenizer, { ...cut, ...own }, out, out.rows?.train);
  out.trainsOn?.(rows);
  const held = evaluates ? evalRowsOf(values) : undefined;
  const evalRows =
    held && (await readDataset(read, held.path, tokenizer, { ...cut, ...held }, out, out.rows?.evaluation));
  if (held && evalRows) tellSeen(held.path, evalRows, rows, out);
  const retained = await readRetained(values, tokenizer, tokens, out);
  out.signal?.throwIfAborted();
  const padId = paddingId(tokenizer, vocabSize);
  const settings = {
    ...{ values, config, rows, evalRows, retained },
    training: {
      ...{ padId, shuffle: values.shuffle_dataset, groupByLength: values.group_by_length },
      ...{ seed: values.data_seed ?? values.seed, dropLast: values.dataloader_drop_last },
      batchSize: values.per_device_train_batch_size,
      ...(workers.size > 1 && { share: { part: workers.rank, of: workers.size } }),
    },
    evaluation: {
      ...{ padId, shuffle: false, dropLast: values.dataloader_drop_last },
      batchSize: values.per_device_eval_batch_size,
    },
  };
  const adapter = await adapterOf(values, team, out);
  return withDevice({ ...values, adapter, threads, tune: lock === undefined ? "kept" : "now" }, out, async (real) => {
    if (lock === undefined)
      return dryRun({ recipe, settings, rows, evalRows, tokenizer, device: real, ranks: workers.size }, out);
    const choice = await chosen({ recipe, settings }, real, out, team);
    const parts = { ...settings, choice, device: real, load, planned: false };
    const about = {
      ...{ chatTemplate: chatTemplate(), fingerprint: rows.fingerprint, sideFiles },
      evalTasks: benchmarks && { tasks: benchmarks, tokenizer },
      digests: retainedDigests(retained),
    };
    const card = { label, values, call: out.call, fingerprint: rows.fingerprint, origin: originOf(config.raw) };
    const observers = team.isFirst ? runOutputs({ ...card, device: real.description }, out.note) : [];
    return withTask(recipe, parts, about, out, async (task, { startLoss }) => {
      checkBestMetric(task, values);
      tellDrift(values, spanOf(task, values).steps, out);
      if (!values.resume) await checkStart(task, startLoss, values, real, out);
      return runTask(task, values, real, out, { lock, team }, observers);
    });
  })
    .catch((error: unknown) => {
      throw withRemedies(error, values);
    })
    .finally(() => {
      rows.close();
      evalRows?.close();
      for (const set of retained) set.close();
    });
};

/** What keys that say auto stand for: what the first rank finds. Several ranks ask the reference model as batches come. */
const chosen = async <V extends TrainingValues, T>(
  { recipe, settings }: Outline<V, T>,
  device: Device,
  out: Host,
  { workers, isFirst }: Team,
): Promise<Choice> => {
  const { precompute } = recipe;
  const asked = workers.size > 1 && precompute !== undefined ? { ...recipe, precompute: false as const } : recipe;
  const own = isFirst
    ? (await choose({ recipe: asked, settings, ranks: workers.size }, device, out)).choice
    : undefined;
  return fromFirst(workers, "what auto stands for", own);
};
