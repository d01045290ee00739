import { join } from "node:path";
import { modelFingerprint } from "../../align/training/fingerprint.js";
import { type Device, dispose } from "../../core/index.js";
import type { InSplits, Measured } from "../../lab/compare/measured.js";
import { evaluateTasks, subject } from "../../lab/evaluate/index.js";
import { HALVES, type Half } from "../../lab/evaluate/rows/half.js";
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
  readonly onShare: (share: number) => void;
}

/** Puts tasks and pairs of both splits to a model. Errors: InputError, also for weights that have diverged. */
export const measureModel = async (
  folder: string,
  exam: Exam,
  { device, answers, before, tell, onShare }: Asking,
): Promise<MeasureOutcome> => {
  const { tokenizer, tools, batchSize, pairs } = exam;
  const fingerprint = modelFingerprint(folder);
  const model = loadModel(folder, device);
  const asked = subject(model, tokenizer, device);
  const count = HALVES.length * (exam.tasks.test.length + (pairs === undefined ? 0 : 1));
  let done = 0;
  const step = (): void => onShare(++done / count);
  const of = async (half: Half): Promise<{ measured: Measured; logps: readonly number[] }> => {
    const kept = join(answers, half);
    makeFolder(kept);
    // Diverged weights show here, before many answers are asked for.
    const logps =
      pairs && (await pairLogps(pairs[half], asked, { batchSize, path: join(kept, "pairs.jsonl"), fingerprint, tell }));
    if (logps !== undefined) step();
    const { tasks } = await evaluateTasks(exam.tasks[half], asked, {
      ...{ batchSize, folder: join(kept, "tasks"), fingerprint, tools, tell },
      done: step,
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
    for (const half of HALVES) makeFolder(join(answers, half, "tasks"));
    const [validation, test] = [await of("validation"), await of("test")];
    return {
      measured: { validation: validation.measured, test: test.measured },
      ...(before === undefined && pairs && { logps: { validation: validation.logps, test: test.logps } }),
    };
  } finally {
    asked.free();
    dispose(model.params);
  }
};
