import { type Axis, escaped, number, place } from "./svg.js";

/** As much of an interval as is drawn. One seed's has no ends: they are infinite, or null once JSON was between. */
interface Ends {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** One row of a forest plot: a mean with its interval, or nothing to tell. */
export interface ForestRow {
  readonly label: string;
  readonly color: number;
  readonly interval: Ends | undefined;
  readonly note: string;
}

const hasEnds = ({ low, high }: Ends): boolean => Number.isFinite(low) && Number.isFinite(high);

/** Half the width of an axis around zero that shows these: all means, and the ends as far as they are no more than `most`. */
export const spanOf = (intervals: readonly (Ends | undefined)[], most: number): number => {
  const reach = intervals.flatMap((interval) => {
    if (interval === undefined || !Number.isFinite(interval.mean)) return [];
    const ends = hasEnds(interval) ? Math.max(Math.abs(interval.low), Math.abs(interval.high)) : 0;
    return [Math.abs(interval.mean), Math.min(most, ends)];
  });
  const widest = Math.max(0.02, ...reach);
  return [0.02, 0.05, 0.1, 0.2, 0.4, 1].find((span) => span >= widest) ?? 1;
};

/** A mean with its interval on a line at height y; what lies beyond the axis ends at its edge. */
const marks = ({ mean, low, high }: Ends, px: (x: number) => number, y: number, color: string, r: number): string => {
  const [from, to] = [number(px(low)), number(px(high))];
  const bar = hasEnds({ mean, low, high })
    ? `<line class="whisker ${color}" x1="${from}" x2="${to}" y1="${y}" y2="${y}"/>`
    : "";
  return `${bar}<circle class="${color}" cx="${number(px(mean))}" cy="${y}" r="${r}"/>`;
};

const around = (span: number, left: number, width: number): ((x: number) => number) => {
  const axis: Axis = { label: "", from: -span, to: span, ticks: [] };
  return (x) => left + place(axis, Math.max(-span, Math.min(span, x))) * width;
};

/** A label at the left of its line; what follows a comma stands below, so that a phone has room for it. */
const labelled = (label: string, x: number, y: number): string => {
  const parts = label.split(", ");
  const spans = parts.map((part, i) => {
    const text = escaped(i === parts.length - 1 ? part : `${part},`);
    return i === 0 ? text : `<tspan x="${x}" dy="1.05em">${text}</tspan>`;
  });
  const up = (0.35 - (parts.length - 1) * 0.525).toFixed(2);
  return `<text class="tick" x="${x}" y="${y}" dy="${up}em" text-anchor="end">${spans.join("")}</text>`;
};

/** Means with intervals, one below the other, around zero. */
export const forest = (
  title: string,
  rows: readonly ForestRow[],
  text: (x: number) => string,
  keys: string,
): string => {
  const line = rows.some(({ label }) => label.includes(", ")) ? 28 : 20;
  const [width, left, right] = [440, 124, 116];
  const height = rows.length * line + 26;
  const span = spanOf(
    rows.map(({ interval }) => interval),
    0.2,
  );
  const px = around(span, left, width - left - right);
  const parts: string[] = [];
  for (const tick of [-span, -span / 2, 0, span / 2, span]) {
    const at = number(px(tick));
    const kind = tick === 0 ? "mark" : "grid";
    parts.push(`<line class="${kind}" x1="${at}" x2="${at}" y1="4" y2="${height - 20}"/>`);
    parts.push(`<text class="tick" x="${at}" y="${height - 6}" text-anchor="middle">${text(tick)}</text>`);
  }
  rows.forEach(({ label, color, interval, note }, i) => {
    const y = i * line + 16;
    parts.push(labelled(label, left - 8, y));
    parts.push(`<text class="tick" x="${width - right + 8}" y="${y}" dy=".35em">${escaped(note)}</text>`);
    if (interval !== undefined) parts.push(marks(interval, px, y, `c${color}`, 4));
  });
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${parts.join("")}</svg>`;
  return `<figure class="wide"><figcaption>${escaped(title)}</figcaption>${svg}${keys}</figure>`;
};

/** One interval around zero, as small as a word. `kind` is the class that colours it. */
export const gauge = (interval: Ends, kind: string): string => {
  const [width, height] = [220, 14];
  const px = around(spanOf([interval], 1), 6, width - 12);
  const zero = number(px(0));
  return `<svg class="gauge" viewBox="0 0 ${width} ${height}" aria-hidden="true"><line class="grid" x1="6" x2="${width - 6}" y1="7" y2="7"/><line class="mark" x1="${zero}" x2="${zero}" y1="0" y2="${height}"/>${marks(interval, px, 7, kind, 4)}</svg>`;
};
