import { mean } from "../analysis/interval.js";
import { placesOf, type Scored } from "../analysis/paths.js";
import type { TableRow } from "../analysis/table.js";
import { forest } from "./forest.js";
import { percent, points, rate, signed } from "./numbers.js";
import { type Axis, acrossSeeds, chart, type Key, keysOf, type Series, shares } from "./svg.js";

/** A method as it is drawn: all its runs, under what name and in which of the report's colours. */
export interface Line {
  readonly label: string;
  readonly color: number;
  /** What its colour stands for. */
  readonly kind: string;
  readonly runs: readonly Scored[];
}

/** What is drawn of runs: where all start, whom others are held against, the others, and how style is told. */
export interface Field {
  readonly start: Line;
  readonly reference: Line;
  readonly others: readonly Line[];
  /** The style axis. */
  readonly x: Axis;
  /** A style, as it is told of a dot. */
  readonly told: (style: number) => string;
}

/** The start's colour, and the reference's. */
export const [START, REFERENCE] = [6, 0];

/** A method's path over the grid: style against skill, test, mean over seeds. */
const pathOf = ({ label, color, runs }: Line, told: Field["told"]): Series => ({
  label,
  color,
  points: placesOf(runs).map((x) => {
    const here = runs.filter((run) => run.x === x).map(({ measures }) => measures.test);
    const [style, skill] = [mean(here.map((s) => s.style)), acrossSeeds(here.map((s) => s.average))];
    return { x: style, ...skill, title: `${label} at ${rate(x)}: ${told(style)}, skill ${percent(skill.y)} %` };
  }),
});

const withoutBars = (series: Series): Series => ({
  ...series,
  points: series.points.map(({ x, y, title }) => ({ x, y, title })),
});

/** Skill lost, below which models are of no use: what lies deeper is not shown. */
export const DEEPEST = 0.3;

/** From a tenth above all skills down to the lowest, or `DEEPEST` below the start's. */
const skillAxis = (start: number, paths: readonly Series[]): Axis => {
  const all = paths.flatMap(({ points: drawn }) => drawn.flatMap(({ y, low = y, high = y }) => [low, high]));
  const low = Math.max(0, Math.floor(10 * Math.max(start - DEEPEST, Math.min(start, ...all))) / 10);
  return shares("", low, Math.min(1, Math.max(low + 0.2, Math.ceil(10 * Math.max(...all, start)) / 10)));
};

/** What all drawings share: axes, and as lines the start's skill and the reference's path; with the others' paths. */
const ground = ({ start, reference, others, x, told }: Field) => {
  const paths = others.map((line, i): Series => {
    const nth = others.slice(0, i).filter(({ color }) => color === line.color).length;
    return { ...pathOf(line, told), nth };
  });
  const level = mean(start.runs.map(({ measures }) => measures.test.average));
  const before: Series = {
    ...{ label: start.label, color: START, dashed: true, only: "line" },
    points: [x.from, x.to].map((at) => ({ x: at, y: level })),
  };
  const plain: Series = { ...withoutBars(pathOf(reference, told)), dashed: true };
  return { before, plain, paths, y: skillAxis(level, [plain, ...paths]) };
};

/** What the colours of the others mean, each kind once. */
export const kindsOf = (others: readonly Pick<Line, "kind" | "color">[]): Key[] => [
  ...new Map(others.map(({ kind, color }) => [kind, { label: kind, color }])).values(),
];

/** All methods in one drawing. */
export const landscape = (title: string, field: Field): string => {
  const { before, plain, paths, y } = ground(field);
  return chart({
    title,
    x: field.x,
    y: { ...y, label: "(skill, %)" },
    series: [before, ...paths.map(withoutBars), plain],
    width: 500,
    height: 340,
    keys: [plain, ...kindsOf(field.others), before],
  });
};

/** A small drawing for each method but the reference. */
export const panelsOf = (field: Field): string => {
  const { before, plain, paths, y } = ground(field);
  const panels = paths.map((path) =>
    chart({
      title: path.label,
      x: field.x,
      y,
      series: [before, plain, { ...path, nth: 0 }],
      width: 280,
      height: 210,
      keys: [],
    }),
  );
  return `<div class="charts small">${panels.join("")}</div>`;
};

/** A method's skill at a style rate minus the reference's. */
export interface Difference extends Pick<Line, "label" | "color" | "kind">, Pick<TableRow, "places"> {
  readonly interval: TableRow["minusAdamW"];
}

/** Differences at equal style, method by method. `reference` is whom they are held against. */
export const forestOf = (title: string, rows: readonly Difference[], reference: string): string => {
  const lines = rows.map(({ label, color, interval, places }) => {
    const reached = places.filter(Boolean).length;
    const missing = reached === places.length ? `${reference} not there` : `in ${reached} of ${places.length} seeds`;
    return { label, color, interval, note: interval === undefined ? missing : points(interval) };
  });
  return forest(title, lines, (x) => signed(100 * x, 0), keysOf(kindsOf(rows)));
};
