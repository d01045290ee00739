import { mean } from "../analysis/interval.js";
import { type Found, placesOf, select } from "../analysis/results.js";
import { MAIN_STYLE } from "../analysis/table.js";
import type { Family } from "../methods.js";
import type { Document, WorldResults } from "./document.js";
import { forest } from "./forest.js";
import { percent, points, rate, signed } from "./numbers.js";
import { type Axis, acrossSeeds, chart, escaped, keysOf, type Series, shares } from "./svg.js";

const COLOR: Readonly<Record<Family, number>> = {
  plain: 0,
  regularizer: 1,
  "offline merge": 4,
  "online merge": 2,
  rival: 5,
  proposal: 7,
  control: 3,
};

const adamwKey = { label: "AdamW", color: COLOR.plain, dashed: true } as const;

/** What the colours of methods mean. */
const familyKeys = ({ methods }: Document) =>
  [...new Set(Object.values(methods).map(({ family }) => family))]
    .filter((family) => family !== "plain")
    .map((label) => ({ label, color: COLOR[label] }));

/** A method's path over the grid: style against skill, test, mean over seeds. */
const pathOf = (runs: readonly Found[], label: string, color: number): Series => ({
  label,
  color,
  points: placesOf(runs).map((x) => {
    const here = runs.filter((run) => run.x === x).map(({ measures }) => measures.test);
    const [style, skill] = [mean(here.map((s) => s.style)), acrossSeeds(here.map((s) => s.average))];
    const title = `${label} at ${rate(x)}: style ${percent(style)} %, skill ${percent(skill.y)} %`;
    return { x: style, ...skill, title };
  }),
});

const withoutBars = (series: Series): Series => ({
  ...series,
  points: series.points.map(({ x, y, title }) => ({ x, y, title })),
});

/** Skill lost, below which models are of no use: what lies deeper is not shown. */
const DEEPEST = 0.3;

/** From a tenth above all skills down to the lowest, or `DEEPEST` below the SFT model's. */
const skillAxis = (sft: Series, paths: readonly Series[]): Axis => {
  const all = paths.flatMap(({ points: drawn }) => drawn.flatMap(({ y, low = y, high = y }) => [low, high]));
  const low = Math.max(0, Math.floor(10 * Math.max(sft.points[0].y - DEEPEST, Math.min(...all))) / 10);
  return shares("", low, Math.min(1, Math.max(low + 0.2, Math.ceil(10 * Math.max(...all, sft.points[0].y)) / 10)));
};

/** Below this style rate little is learned, and little paid. */
const HALF = 0.5;

/** What all drawings of a world share: axes, and as lines the SFT model's skill and AdamW's path; with the others' paths. */
const ground = (document: Document, world: string) => {
  const of = (line: string) => select(document.runs, { section: "methods", world, line });
  const methods = Object.entries(document.methods).filter(([name]) => name !== "adamw");
  const others = methods.map(([name, { label, family }], i): Series => {
    const nth = methods.slice(0, i).filter(([, before]) => before.family === family).length;
    return { ...pathOf(of(name), label, COLOR[family]), nth };
  });
  const [start] = pathOf(select(document.runs, { section: "sft", world }), "SFT", 6).points;
  const sft: Series = {
    ...{ label: "SFT", color: 6, dashed: true, only: "line" },
    points: [HALF, 1].map((x) => ({ x, y: start.y })),
  };
  const adamw: Series = { ...withoutBars(pathOf(of("adamw"), adamwKey.label, adamwKey.color)), ...adamwKey };
  const x = shares("style rate (%)", HALF, 1);
  return { sft, adamw, others, x, y: skillAxis(sft, [adamw, ...others]) };
};

/** All methods of a world in one drawing. */
export const landscape = (document: Document, world: string): string => {
  const { sft, adamw, others, x, y } = ground(document, world);
  return chart({
    title: `Skill against style, ${world} world`,
    x,
    y: { ...y, label: "(skill, %)" },
    series: [sft, ...others.map(withoutBars), adamw],
    width: 500,
    height: 340,
    keys: [adamwKey, ...familyKeys(document), sft],
  });
};

/** Skill at the main style rate minus AdamW's, method by method. */
export const forestOf = (document: Document, world: string, { table }: WorldResults): string => {
  const rows = table
    .filter(({ method }) => method !== "adamw")
    .map(({ method, minusAdamW, places }) => {
      const { label, family } = document.methods[method];
      const reached = places.filter(Boolean).length;
      const missing = reached === places.length ? "AdamW not there" : `in ${reached} of ${places.length} seeds`;
      return {
        label,
        color: COLOR[family],
        interval: minusAdamW,
        note: minusAdamW === undefined ? missing : points(minusAdamW),
      };
    });
  const title = `Skill at style ${percent(MAIN_STYLE, 0)} % minus AdamW's, ${world} world (points)`;
  return forest(title, rows, (x) => signed(100 * x, 0), keysOf(familyKeys(document)));
};

/** A small drawing for each method. */
export const panelsOf = (document: Document, world: string): string => {
  const { sft, adamw, others, x, y } = ground(document, world);
  const panels = others.map((path) =>
    chart({ title: path.label, x, y, series: [sft, adamw, { ...path, nth: 0 }], width: 280, height: 210, keys: [] }),
  );
  return `<h3>Method by method, ${escaped(world)} world</h3>
<p class="soft">Each dot is a learning rate, mean over seeds; bars reach from the lowest to the highest seed. Up and right is better.
Grey: AdamW. Ochre: the SFT model, where all start. A method is worth something where its line is above AdamW's, not where one dot
is. What lies below half of the style, or ${percent(DEEPEST, 0)} points below the SFT model, is cut off.</p>
<div class="charts small">${panels.join("")}</div>`;
};
