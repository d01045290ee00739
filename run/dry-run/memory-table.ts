import { byteLength, leaves, sizeOf, type Tree } from "../../core/index.js";

/** Bytes of a line of the memory table. */
export interface MemoryLine {
  readonly what: string;
  readonly bytes: number;
}

/** Bytes of a tree of tensors, computed or not. */
export const treeBytes = (tree: Tree | undefined): number =>
  tree === undefined ? 0 : leaves(tree).reduce((sum, { shape, dtype }) => sum + byteLength(dtype, sizeOf(shape)), 0);

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes for people: 12.3 MiB. */
export const shownBytes = (bytes: number): string => {
  const unit = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 2 ** (10 * unit)).toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
};

/** The lines that take anything, and their sum. */
export const printMemory = (lines: readonly MemoryLine[]): string => {
  const total = { what: "together, at the busiest moment", bytes: lines.reduce((sum, { bytes }) => sum + bytes, 0) };
  const shown = [...lines.filter(({ bytes }) => bytes > 0), total];
  const width = Math.max(...shown.map(({ what }) => what.length));
  return shown.map(({ what, bytes }) => `  ${what.padEnd(width)}  ${shownBytes(bytes).padStart(10)}`).join("\n");
};
