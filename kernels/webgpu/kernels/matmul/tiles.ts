import { sizeOf } from "../../../../core/index.js";
import type { MatmulStep } from "../../../plan/steps.js";
import { type Rates, rateOf, type Sized } from "./rates.js";

/** How a workgroup of the tiled kernel does so. */
export interface Tile extends Sized {
  /** Inner elements that are held in workgroup memory at a time; divides `UNIT`. */
  readonly depth: number;
  /** Rows and columns of one invocation: multiples of four. */
  readonly down: number;
  readonly across: number;
}

/** Workgroup memory never passes 16 KiB, nor invocations 256: every adapter has that. */
export const TILES: readonly Tile[] = [
  { rows: 128, columns: 128, depth: 16, down: 8, across: 8, beside: 1, rate: 1 },
  { rows: 128, columns: 64, depth: 16, down: 8, across: 4, beside: 1, rate: 0.9 },
  { rows: 64, columns: 64, depth: 16, down: 4, across: 4, beside: 2, rate: 0.75 },
  { rows: 32, columns: 32, depth: 16, down: 4, across: 4, beside: 4, rate: 0.5 },
  { rows: 16, columns: 64, depth: 16, down: 4, across: 4, beside: 4, rate: 0.5 },
];

/** Parts of a sum over the inner axis begin at multiples of this. */
const UNIT = 16;
/** Most parts: as many as a reduction adds up one after the other. */
const PARTS = 32;
/** Least inner elements of a part. */
const PART = 128;
/** Parts times 64 columns that are enough for any GPU. */
const ENOUGH = 256;

/** The parts of a sum over the inner axis. */
export interface InnerCut {
  readonly parts: number;
  /** Inner elements of each but the last. */
  readonly length: number;
}

/**
 * The parts that a sum over the inner axis is made of, in order. Whether a workgroup adds them all, or each has one, and whatever
 * its tile, the bits are the same; and they are no function of how many rows there are: a row must not depend on those beside it.
 */
export const innerCut = ({ a, output }: MatmulStep): InnerCut => {
  const n = output.shape[output.shape.length - 1];
  const inner = a.shape[a.shape.length - 1];
  const cuts = Math.max(1, Math.min(PARTS, Math.floor(ENOUGH / Math.ceil(n / 64)), Math.floor(inner / PART)));
  const length = Math.ceil(inner / cuts / UNIT) * UNIT;
  return { parts: Math.ceil(inner / length), length };
};

/** Most words that parts with workgroups of their own may take: 64 MiB. */
const MOST_APART = 2 ** 24;

/** Sums that an invocation can hold in registers: one an element, two where parts are added up. */
const HELD = 64;

/** A GPU as the choice of tiles sees it, in multiply-adds that one of its cores could have done meanwhile. */
const GPU = {
  cores: 128,
  /** One more launch, and the wait for the one before: some 6 µs. */
  launch: 1.5e6,
  /** A word to or from memory by all cores. */
  word: 45,
};

/** Multiply-adds that one core could have done while a product is made by such tiles, each of them at its full rate. */
const busy = (step: MatmulStep, { rows, columns, beside }: Sized, parts: number, apart: boolean): number => {
  const [m, n] = step.output.shape.slice(-2);
  const inner = step.a.shape[step.a.shape.length - 1];
  const size = sizeOf(step.output.shape);
  const groups = Math.ceil(m / rows) * Math.ceil(n / columns) * (size / m / n) * (apart ? parts : 1);
  const rounds = Math.ceil(groups / (GPU.cores * beside)) * beside;
  return rounds * rows * columns * (inner / (apart ? parts : 1));
};

/** Time that a product takes by such tiles, by rule of thumb; `apart`: parts of the inner axis have workgroups of their own. */
const cost = (step: MatmulStep, tile: Sized, parts: number, apart: boolean, rates: Rates | undefined): number => {
  const added = apart ? GPU.launch + (2 * parts * sizeOf(step.output.shape) * GPU.word) / GPU.cores : 0;
  return busy(step, tile, parts, apart) / rateOf(rates, step, tile) + added;
};

const least = <T>(list: readonly T[], by: (one: T) => number): T =>
  list.reduce((best, one) => (by(one) < by(best) ? one : best));

/** The fastest tile for a product that is not cut along its inner axis. */
export const fastest = <T extends Sized>(step: MatmulStep, tiles: readonly T[], rates?: Rates): T =>
  least(tiles, (tile) => cost(step, tile, 1, false, rates));

/** The fastest of `tiles`, and whether each part of the inner axis has workgroups of its own. */
export const chosen = (
  step: MatmulStep,
  { parts }: InnerCut,
  tiles: readonly Tile[] = TILES,
  rates?: Rates,
): { readonly tile: Tile; readonly apart: boolean } => {
  const mayPart = parts > 1 && parts * sizeOf(step.output.shape) <= MOST_APART;
  const all = tiles.flatMap((tile) => {
    const fits = parts === 1 || tile.down * tile.across <= HELD / 2;
    return [...(fits ? [{ tile, apart: false }] : []), ...(mayPart ? [{ tile, apart: true }] : [])];
  });
  return least(all, ({ tile, apart }) => cost(step, tile, parts, apart, rates));
};

/** What a tile alone is busy for with a product, in the unit of `cost`: divided by the time that it took, its rate. */
export const busyWith = (step: MatmulStep, tile: Tile): number => {
  const cut = innerCut(step);
  return busy(step, tile, cut.parts, chosen(step, cut, [tile]).apart);
};

/** The same on matrix units, where the inner axis is not cut. */
export const busyUncut = (step: MatmulStep, tile: Sized): number => busy(step, tile, 1, false);
