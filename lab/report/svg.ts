import { mean } from "../analysis/interval.js";
import { percent } from "./numbers.js";

/** Text in markup. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** An axis: what it spans, where it has ticks, and whether it is logarithmic. */
export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  readonly log?: boolean;
  readonly tickText?: (x: number) => string;
}

/** A point of a line; `low` and `high` are the ends of a bar through it. */
export interface SeriesPoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  readonly title?: string;
}

/** A line with dots. */
export interface Series {
  readonly label: string;
  readonly points: readonly SeriesPoint[];
  /** Which of the report's colours, 0 (grey) to 7. */
  readonly color: number;
  readonly dashed?: boolean;
  /** Which of several lines of its colour: each has dashes of its own. */
  readonly nth?: number;
  /** Dots without the line, or the line without dots. Default: both. */
  readonly only?: "dots" | "line";
}

export interface ChartOptions {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly width?: number;
  readonly height?: number;
  /** A vertical line with a name. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
  /** What the legend lists. Default: the series. */
  readonly keys?: readonly Key[];
}

export const number = (x: number): string => String(Math.round(10 * x) / 10);

/** 0.001 → 1e-3; 0.25 → 0.25. */
export const short = (x: number): string => {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 0.01 && size < 10_000) return String(Number(x.toPrecision(3)));
  return x
    .toExponential(2)
    .replace(/\.?0+e/, "e")
    .replace("e+", "e");
};

/** Where a number lies on an axis: 0 at its start, 1 at its end. */
export const place = ({ from, to, log = false }: Axis, x: number): number =>
  log ? (Math.log(x) - Math.log(from)) / (Math.log(to) - Math.log(from)) : (x - from) / (to - from);

/** An axis of shares, told in percent. */
export const shares = (label: string, from: number, to: number): Axis => {
  const step = to - from > 0.5 ? 0.2 : 0.1;
  const count = Math.round((to - from) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => from + i * step);
  return { label, from, to, ticks, tickText: (x) => percent(x, 0) };
};

/** Powers of ten that lie in a range. */
export const decades = (from: number, to: number): number[] => {
  const first = Math.ceil(Math.log10(from) - 1e-9);
  const count = Math.floor(Math.log10(to) + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(`1e${first + i}`));
};

/** Dashes of a line that stands for what others are held against, and of the lines of one colour. */
const DASHED = "5 4";
const DASHES = ["", "9 3", "2 3", "9 3 2 3", "14 4", "2 6", "6 2 2 2 2 2"] as const;

const MARGIN = { left: 40, right: 12, top: 10, bottom: 34 };

/** Seeds as one point's y: their mean, and the lowest and highest as the ends of its bar. */
export const acrossSeeds = (values: readonly number[]): Pick<SeriesPoint, "y" | "low" | "high"> => ({
  y: mean(values),
  ...(values.length > 1 && { low: Math.min(...values), high: Math.max(...values) }),
});

/** An entry of a legend. */
export type Key = Pick<Series, "label" | "color" | "dashed">;

/** What the colours mean; nothing where there is nothing to tell. */
export const keysOf = (keys: readonly Key[]): string =>
  keys.length === 0
    ? ""
    : `<div class="keys">${keys
        .map(
          ({ label, color, dashed }) =>
            `<span class="key k${color}${dashed ? " dashed" : ""}">${escaped(label)}</span>`,
        )
        .join("")}</div>`;

/** Lines over two axes as an SVG that scales with its column. */
export const chart = ({ title, x, y, series, width = 420, height = 260, marks = [], keys = series }: ChartOptions) => {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const px = (v: number) => MARGIN.left + place(x, v) * inner.width;
  const py = (v: number) => MARGIN.top + (1 - place(y, v)) * inner.height;
  const bottom = MARGIN.top + inner.height;
  const xText = x.tickText ?? short;
  const yText = y.tickText ?? short;
  const parts: string[] = [];
  for (const tick of y.ticks) {
    const at = number(py(tick));
    parts.push(`<line class="grid" x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${at}" y2="${at}"/>`);
    parts.push(
      `<text class="tick" x="${MARGIN.left - 5}" y="${at}" dy=".35em" text-anchor="end">${yText(tick)}</text>`,
    );
  }
  for (const tick of x.ticks) {
    const at = number(px(tick));
    parts.push(`<line class="grid" x1="${at}" x2="${at}" y1="${MARGIN.top}" y2="${bottom}"/>`);
    parts.push(`<text class="tick" x="${at}" y="${bottom + 13}" text-anchor="middle">${xText(tick)}</text>`);
  }
  for (const mark of marks) {
    const at = number(px(mark.x));
    parts.push(`<line class="mark" x1="${at}" x2="${at}" y1="${MARGIN.top}" y2="${bottom}"/>`);
    const side = place(x, mark.x) > 0.7 ? 'dx="-3" text-anchor="end"' : 'dx="3"';
    parts.push(
      `<text class="tick" x="${at}" y="${MARGIN.top + inner.height / 2}" ${side}>${escaped(mark.label)}</text>`,
    );
  }
  // An SVG in an SVG cuts off what lies outside of the axes, but for half of a dot on them.
  const edge = 4;
  const box = [MARGIN.left - edge, MARGIN.top - edge, inner.width + 2 * edge, inner.height + 2 * edge];
  parts.push(
    `<svg class="cut" aria-hidden="true" x="${box[0]}" y="${box[1]}" width="${box[2]}" height="${box[3]}" viewBox="${box.join(" ")}">`,
  );
  for (const { points, color, dashed, nth = 0, only, label } of series) {
    const drawn = points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
    const path = drawn.map((p) => `${number(px(p.x))},${number(py(p.y))}`).join(" ");
    parts.push('<g class="line">');
    const dashes = dashed ? DASHED : DASHES[nth % DASHES.length];
    if (only !== "dots")
      parts.push(
        `<polyline class="reach" points="${path}"/><polyline class="c${color}" points="${path}"${dashes === "" ? "" : ` stroke-dasharray="${dashes}"`}/>`,
      );
    for (const p of only === "line" ? [] : drawn) {
      const at = number(px(p.x));
      if (p.low !== undefined && p.high !== undefined && Number.isFinite(p.low) && Number.isFinite(p.high))
        parts.push(
          `<line class="bar c${color}" x1="${at}" x2="${at}" y1="${number(py(p.low))}" y2="${number(py(p.high))}"/>`,
        );
      const told = escaped(p.title ?? `${label}: ${short(p.x)}, ${short(p.y)}`);
      parts.push(`<circle class="c${color}" cx="${at}" cy="${number(py(p.y))}" r="3"><title>${told}</title></circle>`);
    }
    const named = drawn.find(
      (p) => place(x, p.x) >= 0 && place(x, p.x) <= 1 && place(y, p.y) >= 0 && place(y, p.y) <= 1,
    );
    if (named !== undefined && only !== "line") {
      const side = place(x, named.x) > 0.5 ? 'dx="-6" text-anchor="end"' : 'dx="6"';
      const at = `x="${number(px(named.x))}" y="${number(py(named.y))}"`;
      parts.push(`<text class="name" ${at} dy="-.5em" ${side}>${escaped(label)}</text>`);
    }
    parts.push("</g>");
  }
  parts.push("</svg>");
  parts.push(
    `<text class="axis" x="${MARGIN.left + inner.width / 2}" y="${height - 4}" text-anchor="middle">${escaped(x.label)}</text>`,
  );
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${parts.join("")}</svg>`;
  const upright = y.label === "" ? "" : ` <small>${escaped(y.label)}</small>`;
  return `<figure><figcaption>${escaped(title)}${upright}</figcaption>${svg}${keysOf(keys)}</figure>`;
};
