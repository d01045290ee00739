/** What the builder trains for the page, in Node: the course's weights and exams, and its tuned model as a folder. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { saveTree } from "../../align/training/state-file.js";
import { dispose } from "../../core/index.js";
import { open } from "../../kernels/index.js";
import { preferencePairs } from "../../lab/world/documents.js";
import { saveWorldModel } from "../../lab/world/model.js";
import { styled } from "../../lab/world/style.js";
import type { Params } from "../../models/index.js";
import {
  COURSE_RUNS,
  type CourseRun,
  courseOptions,
  EXAMS_FILE,
  freshWeights,
  type Trained,
  WEIGHTS_FILE,
} from "./course.js";
import { openExaminer } from "./exam.js";
import type { Point } from "./messages.js";
import { openRun, type Run } from "./run.js";
import { type Course, SEED } from "./settings.js";

/** The lab's preferences as a user has theirs: a line a pair. */
const pairLines = (): string =>
  preferencePairs(SEED, "train", 256)
    .map(({ task: { kind, argument, answer } }) =>
      JSON.stringify({
        prompt: [{ role: "user", content: `${kind} ${argument}` }],
        chosen: [{ role: "assistant", content: styled(answer) }],
        rejected: [{ role: "assistant", content: answer }],
      }),
    )
    .join("\n");

export const writeStart = async (folder: string, course: Course, say: (line: string) => void): Promise<void> => {
  const device = await open("cpu");
  const examiner = openExaminer(device, course.perKind);
  const points: Record<CourseRun, Point[]> = { base: [], sft: [] };
  const answers: Record<CourseRun, readonly string[]> = { base: [], sft: [] };
  const weights: Record<string, Params> = {};
  const fresh = freshWeights(device);
  const runs: Run[] = [];
  let from = fresh;
  for (const name of COURSE_RUNS) {
    const run = openRun(courseOptions(name, course, from), device, undefined);
    runs.push(run);
    while (!run.isDone()) {
      const { step, record } = await run.next();
      if (record === undefined) continue;
      const { score, answers: said } = await examiner.examine(run.params());
      points[name].push({ step, loss: record.loss, score });
      answers[name] = said;
      if (run.isDone())
        say(`${name}: ${step} steps, skill ${score.average.toFixed(3)}, style ${score.style.toFixed(3)}`);
    }
    from = run.params();
    weights[name] = from;
  }
  await saveWorldModel(join(folder, "tuned"), from);
  writeFileSync(join(folder, "pairs.jsonl"), pairLines());
  await saveTree(join(folder, WEIGHTS_FILE), weights);
  writeFileSync(join(folder, EXAMS_FILE), JSON.stringify({ points, answers } satisfies Trained));
  for (const run of runs) await run.close();
  dispose(fresh);
  await device.close();
};
