import { ticks } from "./ticks.js";

/** A line of a chart: points by ascending x. A y that is not finite leaves a gap. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Drawn with dots: few values, such as those of evaluations. */
  readonly dots?: boolean;
}

export interface LineChart {
  readonly title: string;
  /** What x counts. Labelled at whole numbers only. */
  readonly xLabel: string;
  /** Lines, at most as many as there are colours; those without a finite value are left out. */
  readonly series: readonly Series[];
}

const [WIDTH, HEIGHT] = [720, 400];
const box = { left: 64, right: 20, top: 64, bottom: 48 } as const;
/** Okabe and Ito's colours, told apart by colour-blind readers too: on white, on black. */
const COLOURS = [
  ["#0072b2", "#56b4e9"],
  ["#d55e00", "#e69f00"],
  ["#009e73", "#2bd4a0"],
  ["#a3548a", "#e8a6cd"],
  ["#6b6b6b", "#b5b5b5"],
] as const;

const style = (dark: 0 | 1): string => {
  const [ground, ink, faint] = dark ? ["#14171c", "#e8e8e8", "#3a3f47"] : ["#ffffff", "#1c1c1c", "#dddddd"];
  const lines = COLOURS.map((colour, i) => `.s${i}{stroke:${colour[dark]}}.f${i}{fill:${colour[dark]}}`).join("");
  return `.ground{fill:${ground}}text{fill:${ink}}.grid{stroke:${faint}}.axis{stroke:${ink}}${lines}`;
};

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] as string);

/** Smallest and largest of some numbers, made to differ. */
const extent = (values: readonly number[]): readonly [number, number] => {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (high > low) return [low, high];
  const room = Math.max(Math.abs(low) * 0.1, 1e-9);
  return [low - room, high + room];
};

/** A line with gaps where there is no number. */
const path = (points: Series["points"], place: (x: number, y: number) => string): string => {
  let pen = "M";
  const parts: string[] = [];
  for (const [x, y] of points) {
    if (Number.isFinite(y)) parts.push(`${pen}${place(x, y)}`);
    pen = Number.isFinite(y) ? "L" : "M";
  }
  return parts.join("");
};

/**
 * Lines over a common x as a self-contained SVG with axes, ticks and legend, for light and dark pages.
 * Undefined where no series has a finite value.
 */
export const lineChart = ({ title, xLabel, series }: LineChart): string | undefined => {
  const drawn = series.filter(({ points }) => points.some(([, y]) => Number.isFinite(y))).slice(0, COLOURS.length);
  if (drawn.length === 0) return undefined;
  const points = drawn.flatMap((line) => line.points).filter(([, y]) => Number.isFinite(y));
  const [x0, x1] = extent(points.map(([x]) => x));
  const [low, high] = extent(points.map(([, y]) => y));
  const [y0, y1] = [low - 0.04 * (high - low), high + 0.04 * (high - low)];
  const right = WIDTH - box.right;
  const bottom = HEIGHT - box.bottom;
  const across = (x: number) => (box.left + ((x - x0) / (x1 - x0)) * (right - box.left)).toFixed(1);
  const down = (y: number) => (bottom - ((y - y0) / (y1 - y0)) * (bottom - box.top)).toFixed(1);

  const xTicks = ticks(x0, x1, 8, true);
  const yTicks = ticks(y0, y1, 8);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.line{fill:none;stroke-width:1.75;stroke-linejoin:round}${style(0)}@media(prefers-color-scheme:dark){${style(1)}}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${box.left}" y="24">${escaped(title)}</text>`,
  ];
  for (const y of yTicks.at) {
    out.push(`<line class="grid" x1="${box.left}" x2="${right}" y1="${down(y)}" y2="${down(y)}"/>`);
    out.push(`<text x="${box.left - 8}" y="${down(y)}" dy="4" text-anchor="end">${yTicks.label(y)}</text>`);
  }
  for (const x of xTicks.at) {
    out.push(`<line class="axis" x1="${across(x)}" x2="${across(x)}" y1="${bottom}" y2="${bottom + 4}"/>`);
    out.push(`<text x="${across(x)}" y="${bottom + 18}" text-anchor="middle">${xTicks.label(x)}</text>`);
  }
  out.push(`<line class="axis" x1="${box.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`);
  out.push(`<text x="${(box.left + right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escaped(xLabel)}</text>`);
  let legend = box.left;
  drawn.forEach(({ name, points: line, dots }, i) => {
    out.push(`<path class="line s${i}" d="M${legend} 44h18"/>`);
    out.push(`<text x="${legend + 24}" y="48">${escaped(name)}</text>`);
    // Widths of the reader's font are unknown: generous ones.
    legend += 48 + 7 * name.length;
    out.push(`<path class="line s${i}" d="${path(line, (x, y) => `${across(x)} ${down(y)}`)}"/>`);
    const finite = line.filter(([, y]) => Number.isFinite(y));
    if (dots || finite.length === 1)
      for (const [x, y] of finite) out.push(`<circle class="f${i}" cx="${across(x)}" cy="${down(y)}" r="3"/>`);
  });
  return `${[...out, "</svg>"].join("\n")}\n`;
};
