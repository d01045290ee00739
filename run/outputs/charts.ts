import type { LoggedRecord } from "../../align/training/writer.js";
import { lineChart, type Series } from "../plot/line-chart.js";

/** Which metrics a chart draws; of each also the evaluations' values, if there are any. */
const CHARTS = [
  { file: "loss.svg", title: "Loss", metrics: ["loss"] },
  { file: "rewards.svg", title: "Rewards", metrics: ["rewards/chosen", "rewards/rejected", "rewards/margins"] },
] as const;

const seriesOf = (records: readonly LoggedRecord[], metric: string, name: string, dots: boolean): Series => ({
  name,
  dots,
  points: records.filter((record) => metric in record).map((record) => [Number(record.step), Number(record[metric])]),
});

/** loss.svg, and rewards.svg where the run has rewards: file names with their content. */
export const runCharts = (label: string, records: readonly LoggedRecord[]): [file: string, svg: string][] =>
  CHARTS.flatMap(({ file, title, metrics }) => {
    const short = (metric: string) => metric.replace("rewards/", "");
    const trained = metrics.map((metric) => seriesOf(records, metric, short(metric), false));
    // The margins say enough of an evaluation; more lines would bury the others.
    const shown = metrics.at(-1) as string;
    const evaluated = seriesOf(records, `eval_${shown}`, `eval ${short(shown)}`, true);
    const svg = lineChart({ title: `${title} (${label})`, xLabel: "step", series: [...trained, evaluated] });
    return svg === undefined ? [] : [[file, svg]];
  });
