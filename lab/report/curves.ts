import { mean } from "../analysis/interval.js";
import { select } from "../analysis/results.js";
import { MARGIN_BETA } from "../jobs/outcome.js";
import type { Document } from "./document.js";
import { rate } from "./numbers.js";
import type { Part } from "./part.js";
import { type Axis, chart, type Series } from "./svg.js";

const SHOWN = ["adamw", "kl", "ondare_official", "onties_official", "ema_pullback", "lora"] as const;

/** Four to six round ticks from 0. */
const upTo = (label: string, most: number): Axis => {
  const raw = most / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= raw) as number;
  const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
  return { label, from: 0, to: ticks[ticks.length - 1], ticks };
};

const curvesOf = (document: Document, world: string, x: number): string => {
  const series = SHOWN.flatMap((line, color): Series[] => {
    const runs = select(document.runs, { section: "methods", world, line, x });
    const steps = runs[0]?.curve?.map(({ step }) => step) ?? [];
    const method = document.methods[line];
    const beta = method !== undefined && "training" in method ? method.training.beta : MARGIN_BETA;
    const at = (i: number) => mean(runs.map(({ curve }) => ((curve?.[i]?.margin ?? Number.NaN) * MARGIN_BETA) / beta));
    const points = steps.map((step, i) => ({ x: step, y: at(i) }));
    return points.length === 0 ? [] : [{ label: method.label, color, points }];
  });
  const all = series.flatMap(({ points }) => points).filter(({ y }) => Number.isFinite(y));
  if (all.length === 0) return "";
  const last = Math.max(...all.map((p) => p.x));
  const highest = Math.max(1e-3, ...all.map((p) => p.y));
  const title = `Reward margin in training, ${world}, lr ${rate(x)}`;
  return chart({ title, x: upTo("step", last), y: upTo("", highest), series });
};

/** How the margin grows: at the lowest and the highest rate of the grid. */
export const curvesSection = (document: Document): Part => {
  const { rates } = document.size;
  const ends = [...new Set([rates[0], rates[rates.length - 1]])];
  const charts = Object.keys(document.worlds).flatMap((world) => ends.map((x) => curvesOf(document, world, x)));
  return {
    id: "curves",
    title: "Learning curves",
    body: `<p class="soft">${MARGIN_BETA} times the log-ratio of chosen over rejected, whatever β is trained with, mean over the last ten steps and over
seeds. Margins grow on long after the answers have turned: accuracy is 1, and they overshoot.</p><div class="charts wide">${charts.join("")}</div>`,
  };
};
