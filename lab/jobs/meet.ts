import type { TrainingBatch } from "../../align/data/rows.js";
import { preferenceObjective } from "../../align/objectives/objective.js";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { batchTensors } from "../../align/training/reference.js";
import { referenceDelta } from "../../align/training/rules/reference-delta.js";
import { compileApply, compileGradients, logged, noTotals, type StepState } from "../../align/training/step.js";
import {
  add,
  compile,
  dispose,
  evaluate,
  InputError,
  type Program,
  read,
  scalar,
  sub,
  type Tree,
  treeZip,
} from "../../core/index.js";
import type { Params } from "../../models/index.js";
import { type MeetingState, meet, meeting, schedule } from "../../optim/index.js";
import { config } from "../world/model.js";
import { trainingPairs } from "../world/stages.js";
import type { Desk, Ground } from "./desk.js";
import { type MeetJob, seedOf } from "./job.js";
import type { CurvePoint } from "./outcome.js";

/** As `train` clips and logs in all other jobs. */
const [MAX_GRAD_NORM, LOGGING_STEPS] = [1, 10];

/** Each step's pairs in as many parts as there are workers, each with what the tuned model said of them. */
const parted = ({ of, workers }: MeetJob, { batches }: Ground): TrainingBatch[][] => {
  const { batch, steps } = of.alignment;
  const size = batch / workers;
  const small = trainingPairs(seedOf(of), { ...of.alignment, batch: size, steps: steps * workers });
  return batches.map(({ reference = new Float32Array() }, step) =>
    Array.from({ length: workers }, (_, worker) => {
      // All chosen, then all rejected.
      const said = [0, batch].flatMap((from) =>
        Array.from(reference.slice(from + worker * size, from + (worker + 1) * size)),
      );
      return { ...small[step * workers + worker], reference: Float32Array.from(said) };
    }),
  );
};

/**
 * The weights of workers that each make `gap` steps on their own share of every global batch, with their own moments, and then meet;
 * at the end too. Handed to `use`, with the mean of their curves.
 */
export const metWorkers = async <T>(
  job: MeetJob,
  desk: Desk,
  {
    onShare,
    use,
  }: {
    readonly onShare: (share: number) => void;
    readonly use: (weights: Params, curve: readonly CurvePoint[]) => Promise<T>;
  },
): Promise<T> => {
  const { of, training, learningRate, workers, gap } = job;
  const { device } = desk;
  if (training.loss === "kto") throw new Error("workers learn from pairs");
  const ground = desk.ground(of);
  const { steps, warmup } = of.alignment;
  const objective = preferenceObjective(config, { beta: training.beta, lossType: training.loss, tokenMetrics: false });
  const optimizer = trainingOptimizer(training.optimizer);
  const factor = schedule({ name: "cosine", warmupSteps: warmup, totalSteps: steps, minRatio: 0.1 });
  const rule = meeting(job.meeting);
  const gradients = compileGradients(objective, device);
  const apply = compileApply(objective, { optimizer }, MAX_GRAD_NORM, device);
  type Inputs = { readonly start: Params; readonly state: MeetingState<Params>; readonly tau?: Params };
  const join = compile(
    (ended: readonly Params[], { start, state, tau }: Inputs) => {
      const met = meet(
        rule,
        state,
        ended.map((params) => treeZip(([w, s]) => sub(w, s), params, start)),
        tau,
      );
      const next = treeZip(([s, step]) => add(s, step), start, met.step);
      return { state: met.state, start: next, each: ended.map(() => next) };
    },
    device,
    { name: "meeting" },
  );
  const owned = new Set<Tree>();
  const own = <P extends Tree>(tree: P): P => {
    owned.add(tree);
    return tree;
  };
  const gone = (...trees: readonly Tree[]): void => {
    for (const tree of trees) owned.delete(tree);
    dispose(...trees);
  };
  const curve: CurvePoint[] = [];
  try {
    const tau = rule.usesTau ? own(evaluate(rule.prepare(referenceDelta(ground.sft, ground.base)), device)) : undefined;
    let start = own(evaluate(ground.sft, device));
    let state = own(evaluate(rule.init(ground.sft), device));
    let each: StepState[] = Array.from({ length: workers }, () =>
      own(evaluate({ optimizer: optimizer.init(ground.sft, { seed: seedOf(job) }), log: noTotals(objective) }, device)),
    );
    for (const [t, batches] of parted(job, ground).entries()) {
      const lr = learningRate * factor(t);
      for (const [i, batch] of batches.entries()) {
        const before = each[i];
        const scale = scalar(1 / objective.units(batch));
        const summed = gradients(before.optimizer.params, batchTensors(batch, true), { scale }, {});
        owned.delete(before);
        each[i] = own(await apply(before, summed, lr, {}));
      }
      const step = t + 1;
      if (step % gap === 0 || step === steps) {
        const met = join(
          each.map(({ optimizer: { params } }) => params),
          { start, state, ...(tau && { tau }) },
        );
        gone(start, state, ...each.map(({ optimizer: { params } }) => params));
        each = each.map((one, i) => {
          owned.delete(one);
          return own({ ...one, optimizer: { ...one.optimizer, params: met.each[i] } });
        });
        [start, state] = [own(met.start), own(met.state)];
      }
      if (step % LOGGING_STEPS === 0 || step === steps) {
        const logs = await Promise.all(each.map(({ log }) => read(log)));
        if (logs.some((log) => logged(log, objective).failed))
          throw new InputError(`a worker's step before step ${step} was not finite`);
        const reports = logs.map((log) => objective.report(log));
        const mean = (of: (report: (typeof reports)[number]) => number) =>
          reports.reduce((sum, report) => sum + of(report), 0) / workers;
        curve.push({ step, loss: mean(({ loss }) => loss), margin: mean(({ metrics }) => metrics["rewards/margins"]) });
        each = each.map((one) => {
          owned.delete(one);
          dispose(one.log);
          return own({ ...one, log: noTotals(objective) });
        });
        onShare(step / steps);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return await use(start, curve);
  } finally {
    dispose(...owned);
    for (const program of [gradients, apply, join].flatMap((made): readonly Program[] => made.programs()))
      program.free();
  }
};
