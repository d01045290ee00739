import { join } from "node:path";
import { batchesFrom } from "../../align/data/source.js";
import type { TrainOptions, TrainSnapshot } from "../../align/training/options.js";
import { STATE } from "../../align/training/snapshots.js";
import { loadTree } from "../../align/training/state-file.js";
import { type StepRecord, type TrainStep, train } from "../../align/training/train.js";
import { allWhole } from "../../align/training/workers/team.js";
import { anyOf, fromFirst } from "../../align/training/workers/workers.js";
import { type Device, dispose, InputError } from "../../core/index.js";
import { folderExists } from "../../models/files/json.js";
import { type Params, saveModel } from "../../models/index.js";
import type { Host } from "../host.js";
import type { TrainingValues } from "../options/takes.js";
import { isEvaluation } from "../outputs/history.js";
import { type Best, bestMetric, bestOf } from "../parts/best.js";
import { cadence } from "../parts/cadence.js";
import { evaluator } from "../parts/evaluation.js";
import { checkMeetingSteps, isMet } from "../parts/meets.js";
import { plainModel, spanOf, type Task, trainOptions } from "../parts/task.js";
import type { RunResult } from "../result.js";
import type { Voice } from "../voice.js";
import type { Team } from "../workers/team.js";
import { checkOwn, signFolder } from "../writing/claim.js";
import type { Locked } from "../writing/locked.js";
import { checkpoints, type Resumed, resumedFrom, weightsOf } from "./checkpoints.js";
import { claimOf, goesOn } from "./claim.js";
import { metricsFile, recordsIn } from "./metrics-file.js";
import type { EvaluationRecord, RunObserver } from "./observer.js";
import { identityOf, overRanks } from "./same-run.js";
import { stopWatch } from "./stop.js";
import { teller } from "./teller.js";

/** The weights of the best evaluation, where they are not the last ones. */
const bestWeights = (task: Task, values: TrainingValues, best: Best, steps: number, out: Voice): Params | undefined => {
  const { metric } = bestMetric(values);
  const step = best.checkpoint();
  if (step === undefined) {
    out.note("warning: load_best_model_at_end: no checkpoint has an evaluation; the model is that of the last step");
    return undefined;
  }
  if (step !== steps && !folderExists(join(values.output_dir, `checkpoint-${step}`))) {
    out.note(`warning: load_best_model_at_end: checkpoint-${step} is gone; the model is that of the last step`);
    return undefined;
  }
  out.note(`load_best_model_at_end: the model is that of step ${step}, ${metric} ${best.record()?.value}`);
  return step === steps ? undefined : weightsOf(values.output_dir, step, task);
};

/** The best evaluation, and the checkpoint that goes with it, if one is there. */
const bestIn = (best: Best, folder: string): RunResult["best"] => {
  const record = best.record();
  if (record === undefined) return undefined;
  const step = best.checkpoint();
  return { ...record, checkpoint: step === record.step ? join(folder, `checkpoint-${step}`) : undefined };
};

/** Where the next batch stands after so many steps: it may be cut otherwise than that of the run before. */
const goingOn = (from: Resumed, task: Task, values: TrainingValues): Resumed => {
  const { stepsPerEpoch } = spanOf(task, values);
  const { batchesPerEpoch } = task.source;
  const epochs = Math.floor(from.step / stepsPerEpoch);
  const within = (from.step - epochs * stepsPerEpoch) * values.gradient_accumulation_steps;
  return { ...from, batches: epochs * batchesPerEpoch + within };
};

/** Where a resumed run takes its state from. */
const resuming = (
  { folder, records: _, ...position }: Resumed,
  { offload }: TrainingValues,
  device: Device,
): TrainOptions["resume"] => {
  // Part of an offloaded state stays on the host; the run itself uploads the rest.
  const at = offload === "none" ? device : undefined;
  return (initial, whole) => ({ ...position, state: loadTree(join(folder, STATE), initial, at, whole) });
};

/**
 * Trains, and writes metrics.jsonl, checkpoints and the model, and what the observers write. Errors: the reason of the host's
 * signal, where it asks to stop before the first step.
 */
export const runTask = async (
  task: Task,
  values: TrainingValues,
  device: Device,
  out: Host,
  { lock, team: { workers, isFirst } }: { readonly lock: Locked; readonly team: Team },
  observers: readonly RunObserver[] = [],
): Promise<RunResult> => {
  const { label, model, source, reference } = task;
  const { output_dir: folder } = values;
  const span = spanOf(task, values);
  const { steps } = span;
  checkMeetingSteps(values, span);
  const data = { fingerprint: task.fingerprint, others: task.digests };
  const identity = identityOf({ ...overRanks(values, workers), device: device.name }, data, device.bits);
  const claim = claimOf(values, label, out);
  const isOwn = goesOn(values);
  if (!isOwn && isFirst) checkOwn(claim, identity, out.note);
  const found = isFirst ? ((await resumedFrom(values, identity, steps, out)) ?? null) : undefined;
  const from = await fromFirst(workers, "where it goes on", found);
  const resumed = from === null ? undefined : goingOn(from, task, values);
  const { options, release } = await trainOptions(task, values, device, out);
  const evaluation = evaluator(values, task, { ...span, reference, workers }, device);
  out.start();

  const first = resumed?.step ?? 0;
  const before = isFirst && first > 0 ? recordsIn(folder, first, out.note, resumed?.records) : [];
  const records = await fromFirst(workers, "what was logged", before);
  const told = teller(
    [...(isFirst ? [metricsFile(out.note)] : []), ...observers, ...out.observers(device)],
    { step: first, ...span, label, folder, records },
    { lock, sign: () => isFirst && signFolder(claim, identity), fresh: !isOwn && isFirst, tell: out.note },
  );
  const how = { from: task.sideFiles, chatTemplate: task.chatTemplate, device };
  const best = bestOf(values, span, records);
  const saved = checkpoints(values, identity, how, best, workers);
  const { saves } = cadence(values, span);
  const asked = stopWatch(out.signal);
  const isAsked = async (): Promise<boolean> => anyOf(workers, "whether it is to stop", await asked());
  /** Is all on disk that was told? */
  let isTold = true;
  const tell = async (telling: Promise<void>): Promise<void> => {
    isTold = false;
    await telling;
    isTold = true;
  };
  /** Evaluates where that is due; is it better than all before? */
  const evaluateAt = async ({
    step,
    params,
    reference: moved,
  }: Pick<TrainStep, "step" | "params" | "reference">): Promise<boolean> => {
    if (!evaluation?.due(step)) return false;
    const record = { step, epoch: step / span.stepsPerEpoch, ...(await evaluation.run(params, moved)) };
    await tell(told.evaluation(record));
    return best.sees(record);
  };
  /** The last step whose checkpoint was tried, and the last checkpoint that was written. */
  let tried: number | undefined;
  let checkpoint: string | undefined;
  const save = async (params: Params, snapshot: TrainSnapshot): Promise<string> => {
    tried = snapshot.step;
    await told.ready();
    await told.saving();
    const path = await saved.save(plainModel(task, params), snapshot, told.count(), task.adapted && params);
    checkpoint = path;
    await told.saved(path, snapshot.step);
    return path;
  };
  /** Before an error ends the run: a checkpoint of where it stands, unless that is what failed. */
  const rescue = async (step: number, params: () => Params, snapshot: () => Promise<TrainSnapshot>): Promise<void> => {
    if (tried === step || step === first) return;
    try {
      if (!isTold) await told.renew();
      const path = await save(params(), await snapshot());
      out.note(`${path} holds the state after step ${step}, which ${out.flag("resume")} goes on from`);
    } catch (error) {
      out.note(`warning: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  let isSaved = false;
  const finish = async (params: Params): Promise<void> => {
    isSaved = true;
    if (!isFirst) return;
    const chosen = values.load_best_model_at_end ? bestWeights(task, values, best, steps, out) : undefined;
    await told.ready();
    await saveModel(folder, plainModel(task, chosen ?? params), how);
    await task.saveAdapter?.(chosen ?? params);
  };

  /** What follows a step; does the run end before its last one? */
  const afterStep = async (taken: TrainStep): Promise<boolean> => {
    const { step } = taken;
    await tell(told.step(taken));
    const isBest = await evaluateAt(taken);
    const leaves = isMet(values, step, steps) && (await isAsked()) && step < steps;
    if (saves(step) || (isBest && values.save_strategy === "best") || leaves)
      await save(taken.params, await taken.snapshot());
    if (step === steps) await finish(taken.params);
    return leaves;
  };
  let [step, stopped] = [first, false];
  const run = train(
    {
      ...{ ...options, workers, wire: values.wire },
      batches: batchesFrom(source, resumed?.batches),
      resume: resumed && resuming(resumed, values, device),
      rescue: (good, params) =>
        rescue(
          good.step,
          () => params,
          async () => good,
        ),
    },
    device,
  );
  try {
    told.prepared();
    if (await isAsked()) throw out.signal?.reason ?? new InputError("another rank was asked to stop");
    if (first === 0) await evaluateAt({ step: 0, params: model.params });
    while (!stopped) {
      const { value, done } = await run.next();
      if (done === true) {
        if (!isSaved) await finish(value); // a run that had no steps left
        dispose(value);
        break;
      }
      try {
        stopped = await afterStep(value);
        step = value.step;
      } catch (error) {
        if (values.communicate === "every_k") throw error; // others have models of their own
        const log = workers.size === 1 ? undefined : (await value.snapshot()).state.log;
        if (await allWhole(workers, error, value.step, log))
          await rescue(value.step, () => value.params, value.snapshot);
        throw error;
      }
    }
    if (!stopped) await told.end();
  } finally {
    told.close();
    await run.return(undefined as never);
    release();
  }
  const logged = told.records();
  return {
    ...{ output_dir: folder, step, steps, stopped, checkpoint, records: logged },
    metrics: logged.findLast((record) => !isEvaluation(record)) as StepRecord | undefined,
    evaluation: logged.findLast(isEvaluation) as EvaluationRecord | undefined,
    best: bestIn(best, folder),
    peakBytes: device.stats().peakBytes,
  };
};
