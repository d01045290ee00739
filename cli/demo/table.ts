import type { Score } from "../../lab/world/score.js";
import { KINDS } from "../../lab/world/skills.js";

/** Text in columns, the first flush left and the others flush right; a rule under the header. One string, no final newline. */
export const table = (header: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const aligned = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [aligned(header), rule, ...rows.map(aligned)].join("\n");
};

/** One model of the demo's table. */
export interface Run {
  name: string;
  score: Score;
  /** Mean preference margin (β-scaled reward of chosen minus rejected) on held-out pairs, where it was measured. */
  margin?: number;
}

/** A share in percent; a dash for what was not asked. */
const percent = (share: number, digits = 0): string => (Number.isNaN(share) ? "-" : (100 * share).toFixed(digits));
const signed = (number: number, digits: number): string => `${number > 0 ? "+" : ""}${number.toFixed(digits)}`;

/**
 * The alignment tax, one line a model: before (the SFT model, where every run starts), then after each run.
 * Shares in percent; tax = average minus the SFT model's, in points. Fits in 100 columns for names up to 24 characters.
 */
export const taxTable = (before: Run, after: readonly Run[]): string => {
  const row = ({ name, score, margin }: Run, place: number): string[] => [
    name,
    ...KINDS.map((kind) => percent(score.right[kind])),
    percent(score.average, 1),
    place === 0 ? "" : signed(100 * (score.average - before.score.average), 1),
    percent(score.style),
    margin === undefined ? "" : signed(margin, 2),
    score.length.toFixed(1),
  ];
  return table(["run", ...KINDS, "avg", "tax", "style", "margin", "length"], [before, ...after].map(row));
};
