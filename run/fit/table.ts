import { type MemoryLine, shownBytes } from "../dry-run/memory-table.js";
import type { Fit } from "./fit.js";
import type { MemoryValues } from "./remedies.js";

/** A line of `taugrad fit --json`. Bytes and launches are null where there is no plan. */
export interface Row {
  readonly max_length: number;
  readonly per_device_train_batch_size: number;
  readonly peak_bytes: number | null;
  readonly largest_buffer_bytes: number | null;
  readonly largest_buffer: string | null;
  /** Kernels a step, of at most two batches. */
  readonly launches: number | null;
  readonly fits: boolean;
  /** The first change of keys that makes it fit; null where it fits, or nothing does. */
  readonly remedy: string | null;
  /** What the peak is made of, in bytes. */
  readonly memory: Readonly<Record<string, number>>;
  /** Why there is no plan. */
  readonly refused?: string;
}

export const rowOf = (
  { max_length, per_device_train_batch_size }: MemoryValues,
  fit: Fit,
  fits: boolean,
  remedy: string | undefined,
): Row => {
  const run = "rehearsed" in fit ? fit.rehearsed : undefined;
  return {
    ...{ max_length, per_device_train_batch_size, fits, remedy: remedy ?? null },
    peak_bytes: run?.peak ?? null,
    largest_buffer_bytes: run?.largest.bytes ?? null,
    largest_buffer: run?.largest.of ?? null,
    launches: run?.launches ?? null,
    memory: Object.fromEntries((run?.memory ?? []).map(({ what, bytes }) => [what, bytes])),
    ...("refused" in fit && { refused: fit.refused }),
  };
};

/** Lines that every row has alike, and those in which they differ. */
const partsOf = (rows: readonly Row[]): readonly MemoryLine[] => {
  const [first] = rows.filter(({ peak_bytes }) => peak_bytes !== null);
  if (first === undefined) return [];
  return Object.entries(first.memory).flatMap(([what, bytes]) =>
    bytes > 0 && rows.every(({ memory, peak_bytes }) => peak_bytes === null || memory[what] === bytes)
      ? [{ what, bytes }]
      : [],
  );
};

const padded = (cells: readonly (readonly string[])[]): string => {
  const widths = cells[0].map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  const isNumber = (i: number): boolean => i < 5;
  return cells
    .map((line) =>
      line
        .map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};

/** The table, and what all its rows hold alike. */
export const shownTable = (
  rows: readonly Row[],
  about: {
    readonly adapter: string;
    readonly ranks: number;
    readonly memory: number | undefined;
    readonly buffer: number | undefined;
  },
): string => {
  const bytes = (n: number | null): string => (n === null ? "–" : shownBytes(n));
  const parts = partsOf(rows);
  const held = parts.reduce((sum, part) => sum + part.bytes, 0);
  const verdict = ({ fits, remedy, refused }: Row): string =>
    fits
      ? about.memory === undefined
        ? "no buffer is too large"
        : "fits"
      : `${remedy === null ? "does not fit, whatever is changed" : remedy}${refused === undefined ? "" : ` (${refused})`}`;
  const lines = rows.map((row) => [
    `${row.max_length}`,
    `${row.per_device_train_batch_size}`,
    bytes(row.peak_bytes),
    bytes(row.peak_bytes === null ? null : row.peak_bytes - held),
    bytes(row.largest_buffer_bytes),
    row.largest_buffer ?? "–",
    `${row.launches ?? "–"}`,
    verdict(row),
  ]);
  const head = ["length", "rows", "peak", "of the batch", "largest", "buffer", "launches", "fits, or what makes it"];
  const known =
    about.memory === undefined ? "memory unknown: --memory says it" : `${shownBytes(about.memory)} of memory`;
  const buffer = about.buffer === undefined ? "" : `, ${shownBytes(about.buffer)} a buffer`;
  return [
    `# ${about.adapter}, ${known}${buffer}${about.ranks === 1 ? "" : `; of ${about.ranks} ranks, the one that takes most`}`,
    ...parts.map(({ what, bytes: n }) => `  ${what.padEnd(44)}  ${shownBytes(n).padStart(10)}`),
    "",
    padded([head, ...lines]),
  ].join("\n");
};
