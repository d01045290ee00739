/** Labs without training: outcomes made up from the settings, so that plans, analyses and reports can be tested whole. */
import type { LabCache } from "../../lab/jobs/graph.js";
import { type Job, seedOf } from "../../lab/jobs/job.js";
import type { Measures, Outcome } from "../../lab/jobs/outcome.js";
import { type Document, documentOf } from "../../lab/report/document.js";
import type { Size } from "../../lab/sizes.js";
import type { Score } from "../../lab/world/score.js";
import { KINDS, type Kind } from "../../lab/world/skills.js";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const scoreOf = (average: number, style: number): Score => ({
  right: Object.fromEntries(KINDS.map((kind) => [kind, average])) as Record<Kind, number>,
  average,
  style,
  length: 6 + 9 * style,
});

/** Style rises and skill falls with the learning rate; online merges lose a little less. */
export const madeUp = (job: Job): Outcome => {
  if (job.kind === "base") return { curve: [{ step: 10, loss: 2 }] };
  const aligned = job.kind === "align" || job.kind === "meet" ? job : job.kind === "merge" ? job.of : undefined;
  const rate = aligned?.learningRate ?? 0;
  const gain = String(aligned?.training.optimizer.optim).startsWith("on") ? 0.02 : 0;
  const style = rate === 0 ? 0.02 : sigmoid(2 * Math.log(rate / 3e-5) + 1);
  const average = 0.8 - 0.25 * style ** 4 + gain + 0.01 * seedOf(job);
  const measures: Measures = {
    validation: scoreOf(average + 0.01, style),
    test: scoreOf(average, style),
    margin: rate > 1e-3 ? Number.NaN : 20 * style, // such a run diverges
    accuracy: style,
    kl: rate > 1e-3 ? Number.NaN : style,
    moved: { new: style, old: style / 2 },
  };
  return {
    measures,
    curve: [10, 20].map((step) => ({ step, loss: 1 / step, margin: style * step })),
    relativeDelta: 0.02,
  };
};

/** A cache in which every job is done, with made-up outcomes. */
export const madeUpCache: LabCache = {
  has: () => true,
  damage: () => undefined,
  outcome: madeUp,
  tensors: () => {
    throw new Error("made-up jobs have no tensors");
  },
  put: async () => {},
  ids: () => new Set(),
  tidy: () => {},
};

export const madeUpDocument = (size: Size): Document => documentOf(size, madeUpCache);
