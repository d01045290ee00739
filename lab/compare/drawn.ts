import { percent, rate } from "../report/numbers.js";
import { type Difference, type Field, type Line, REFERENCE, START } from "../report/paths.js";
import { type Axis, escaped, shares, short } from "../report/svg.js";
import { scoredOf, startOf } from "./comparison.js";
import type { ComparisonDocument } from "./document.js";
import { isShare } from "./measured.js";

/** The report's colours but those of start and reference; a second method of one has dashes of its own. */
const COLORS = [2, 1, 4, 5, 3, 7];

export const colorOf = ({ methods, reference }: ComparisonDocument, method: string): number => {
  const others = Object.keys(methods).filter((name) => name !== reference);
  return method === reference ? REFERENCE : COLORS[others.indexOf(method) % COLORS.length];
};

/** A style as it is told: a share in percent, a margin as a number. */
export const told = ({ style }: ComparisonDocument, x: number, digits = 1): string =>
  isShare(style) ? `${percent(x, digits)} %` : short(x);

/** Round ticks from the lowest to the highest of some styles. */
const marginAxis = (label: string, low: number, high: number): Axis => {
  const width = Math.max(high - low, 1e-6);
  const unit = 10 ** Math.floor(Math.log10(width / 4));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= width / 4) as number;
  const [from, to] = [Math.floor(low / step), Math.ceil(high / step)];
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step);
  return { label, from: from * step, to: to * step, ticks };
};

const axisOf = ({ style }: ComparisonDocument, all: readonly number[]): Axis => {
  const found = all.filter(Number.isFinite);
  const [low, high] = [Math.min(...found), Math.max(...found)];
  if (!isShare(style)) return marginAxis(style, low, high);
  const from = Math.max(0, Math.floor(10 * low) / 10);
  return shares(`${style} (%)`, from, Math.min(1, Math.max(from + 0.1, Math.ceil(10 * high) / 10)));
};

/** A comparison as it is drawn. */
export const fieldOf = (document: ComparisonDocument): Field => {
  const { methods, reference } = document;
  const line = (method: string): Line => ({
    ...{ label: method, kind: method, color: colorOf(document, method), runs: scoredOf(document, method) },
  });
  const start: Line = { label: "start", kind: "start", color: START, runs: startOf(document) };
  const others = Object.keys(methods).filter((name) => name !== reference);
  const lines = [line(reference), ...others.map(line)];
  const styles = [start, ...lines].flatMap(({ runs }) => runs.map(({ measures }) => measures.test.style));
  return {
    ...{ start, reference: lines[0], others: lines.slice(1), x: axisOf(document, styles) },
    told: (style) => `${document.style} ${told(document, style)}`,
  };
};

/** Differences at the main level, but the reference's. */
export const differencesOf = (document: ComparisonDocument): Difference[] =>
  document.rows
    .filter(({ method }) => method !== document.reference)
    .map(({ method, minus, places }) => ({
      ...{ label: method, kind: method, color: colorOf(document, method), interval: minus, places },
    }));

/** A list of names in code, for a sentence. */
export const named = (names: readonly string[]): string =>
  names.map((name) => `<code>${escaped(name)}</code>`).join(", ");

/** Learning rates, for a sentence. */
export const ratesIn = ({ cells }: ComparisonDocument): string =>
  [...new Set(cells.map(({ rate }) => rate))]
    .sort((a, b) => a - b)
    .map(rate)
    .join(", ");
