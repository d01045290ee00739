import { join } from "node:path";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import { type Device, dispose } from "../../core/index.js";
import type { InSplits, Measured } from "../../lab/compare/measured.js";
import { evaluateTasks, subject } from "../../lab/evaluate/index.js";
import { HALVES, type Half } from "../../lab/evaluate/rows/half.js";
import type { OnShare } from "../../lab/sweep/graph.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";
import { loadModel } from "../../models/index.js";
import type { Exam } from "./exam.js";
import { pairLogps, pairMeasures } from "./pairs.js";

/** Log-probabilities of pairs, by split. */
export type Logps = Readonly<Record<Half, readonly number[]>>;

/** What a model turned out to be; of the model where all start also what pairs are held against. */
export interface MeasureOutcome {
  readonly measured: InSplits;
  readonly logps?: Logps;
}

/** Where a model is asked. */
interface Asking {
  readonly device: Device;
  /** Where answers are kept, so that what was cut off goes on. */
  readonly answers: string;
  /** Log-probabilities of the model where all start; left out for that model. */
  readonly before: Logps | undefined;
  readonly tell: (line: string) => void;
}

/** A split's tasks and pairs are put to a model; its log-probabilities of pairs, where there are some. */
type Ask = (
  half: Half,
  done?: () => void,
) => Promise<{ readonly measured: Measured; readonly logps: readonly number[] }>;

/** Loads a model to be asked, and frees it. */
const asked = async <T>(folder: string, exam: Exam, how: Asking, work: (ask: Ask) => Promise<T>): Promise<T> => {
  const { device, answers, before, tell } = how;
  const { tokenizer, tools, batchSize, pairs } = exam;
  const fingerprint = modelFingerprint(folder);
  const model = loadModel(folder, device);
  const who = subject(model, tokenizer, device);
  const ask: Ask = async (half, done = () => {}) => {
    const kept = join(answers, half);
    makeFolder(join(kept, "tasks"));
    // Diverged weights show here, before many answers are asked for.
    const logps =
      pairs && (await pairLogps(pairs[half], who, { batchSize, path: join(kept, "pairs.jsonl"), fingerprint, tell }));
    if (logps !== undefined) done();
    const { tasks } = await evaluateTasks(exam.tasks[half], who, {
      ...{ batchSize, folder: join(kept, "tasks"), fingerprint, tools, tell, done },
    });
    return {
      measured: {
        tasks: Object.fromEntries(tasks.map(({ name, scores }) => [name, scores.score])),
        ...(logps !== undefined && { pairs: pairMeasures(logps, before?.[half] ?? logps) }),
      },
      logps: logps ?? [],
    };
  };
  try {
    return await work(ask);
  } finally {
    who.free();
    dispose(model.params);
  }
};

/** Puts tasks and pairs of both splits to a model. Errors: InputError, also for weights that have diverged. */
export const measureModel = (
  folder: string,
  exam: Exam,
  { onShare, ...how }: Asking & { readonly onShare: OnShare },
): Promise<MeasureOutcome> => {
  const count = HALVES.length * (exam.tasks.test.length + (exam.pairs === undefined ? 0 : 1));
  let done = 0;
  const step = (): void => onShare(++done / count);
  return asked(folder, exam, how, async (ask) => {
    const [validation, test] = [await ask("validation", step), await ask("test", step)];
    return {
      measured: { validation: validation.measured, test: test.measured },
      ...(how.before === undefined && exam.pairs && { logps: { validation: validation.logps, test: test.logps } }),
    };
  });
};

/** What a model is on what selects alone. Errors: as `measureModel`. */
export const validateModel = (folder: string, exam: Exam, how: Asking): Promise<Measured> =>
  asked(folder, exam, how, async (ask) => (await ask("validation")).measured);
