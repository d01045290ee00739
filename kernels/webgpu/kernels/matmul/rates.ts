import type { MatmulStep } from "../../../plan/steps.js";

/** What a workgroup computes of a product, as the choice of tiles sees it. */
export interface Sized {
  /** Rows and columns of the product. */
  readonly rows: number;
  readonly columns: number;
  /** Workgroups that it takes to keep one core busy. */
  readonly beside: number;
  /** Multiply-adds a cycle of a busy core, as a part of what it can. */
  readonly rate: number;
}

/** Multiply-adds a cycle of tiles, as shares of the fastest one's, for each class of products: what was measured on an adapter. */
export type Rates = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Up to so many rows a product has few. */
const FEW = 64;

/** Products that are served alike: what is rounded to, along which axis the operands lie in memory, and whether there are few rows. */
export const classOf = ({ a, b, output, operands }: MatmulStep): string => {
  const [inOrderA, inOrderB] = [a, b].map(({ strides }) => strides[strides.length - 1] === 1);
  const rows = output.shape[output.shape.length - 2];
  return `${operands ?? "f32"} ${inOrderA ? "a" : "aT"}·${inOrderB ? "b" : "bT"}${rows <= FEW ? ", few rows" : ""}`;
};

/** A tile by its size, which no two of one kernel share. */
export const tileName = ({ rows, columns }: Sized): string => `${rows}x${columns}`;

/** What was measured, or the rate that a tile is said to have. */
export const rateOf = (rates: Rates | undefined, step: MatmulStep, tile: Sized): number =>
  rates?.[classOf(step)]?.[tileName(tile)] ?? tile.rate;
