import { sizeOf } from "../../../../core/index.js";
import type { MatmulStep } from "../../../plan/steps.js";
import type { MatrixTile } from "./matrix-tiles.js";
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

/** A rule for how many parts a sum over the inner axis is made of. */
interface CutRule {
  /** Parts begin at multiples of this. */
  readonly unit: number;
  /** Least inner elements of a part. */
  readonly least: number;
  /** Parts, times so many columns, that are enough for any GPU. */
  readonly enough: number;
  readonly columns: number;
}

/** Most parts: as many as a reduction adds up one after the other. */
const PARTS = 32;

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
const cutBy = ({ a, output }: MatmulStep, { unit, least, enough, columns }: CutRule): InnerCut => {
  const n = output.shape[output.shape.length - 1];
  const inner = a.shape[a.shape.length - 1];
  const cuts = Math.max(1, Math.min(PARTS, Math.floor(enough / Math.ceil(n / columns)), Math.floor(inner / least)));
  const length = Math.ceil(inner / cuts / unit) * unit;
  return { parts: Math.ceil(inner / length), length };
};

export const innerCut = (step: MatmulStep): InnerCut => cutBy(step, { unit: 16, least: 128, enough: 256, columns: 64 });

/**
 * The same on matrix units, in blocks of `depth`: only where there are few columns, and in longer parts, since a workgroup that adds
 * up several takes them through memory.
 */
export const unitCut = (step: MatmulStep, depth: number): InnerCut =>
  cutBy(step, { unit: depth, least: 512, enough: 31, columns: 128 });

/** Most words that parts with workgroups of their own may take: 64 MiB. */
const MOST_APART = 2 ** 24;

/** Cores of a GPU as the choice of tiles sees it. */
const CORES = 128;

/** What parts of the inner axis cost, in multiply-adds that one core could have done meanwhile. */
interface Cutting<T> {
  /** One more launch, and the wait for the one before: some 6 µs. */
  readonly launch: number;
  /** A word to or from memory by all cores. */
  readonly word: number;
  /** Words that a workgroup moves for each element and part when it adds parts up; undefined: it cannot. */
  readonly adding: (tile: T) => number | undefined;
}

/** Sums that an invocation can hold in registers: one an element, two where parts are added up. */
const HELD = 64;

const IN_REGISTERS: Cutting<Tile> = {
  ...{ launch: 1.5e6, word: 45 },
  adding: ({ down, across }) => (down * across <= HELD / 2 ? 0 : undefined),
};
/** Matrix units do eight times as much meanwhile; what a workgroup wrote itself is still in the cache, mostly. */
export const ON_UNITS: Cutting<Sized> = { launch: 1.2e7, word: 360, adding: () => 0.5 };

/** Multiply-adds that one core could have done while a product is made by such tiles, each of them at its full rate. */
const busy = (step: MatmulStep, { rows, columns, beside }: Sized, parts: number, apart: boolean): number => {
  const [m, n] = step.output.shape.slice(-2);
  const inner = step.a.shape[step.a.shape.length - 1];
  const size = sizeOf(step.output.shape);
  const groups = Math.ceil(m / rows) * Math.ceil(n / columns) * (size / m / n) * (apart ? parts : 1);
  const rounds = Math.ceil(groups / (CORES * beside)) * beside;
  return rounds * rows * columns * (inner / (apart ? parts : 1));
};

/** A tile, and whether each part of the inner axis has workgroups of its own. */
export interface Chosen<T> {
  readonly tile: T;
  readonly apart: boolean;
}

/** The fastest of `tiles` by rule of thumb. */
export const chosenOf = <T extends Sized>(
  step: MatmulStep,
  { parts }: InnerCut,
  tiles: readonly T[],
  cutting: Cutting<T>,
  rates?: Rates,
): Chosen<T> => {
  const words = parts * sizeOf(step.output.shape);
  const apartCost = cutting.launch + (2 * words * cutting.word) / CORES;
  const all = tiles.flatMap((tile) => {
    const time = (apart: boolean, added: number) => ({
      ...{ tile, apart },
      cost: busy(step, tile, parts, apart) / rateOf(rates, step, tile) + added,
    });
    if (parts === 1) return [time(false, 0)];
    const adding = cutting.adding(tile);
    return [
      ...(adding === undefined ? [] : [time(false, (2 * words * adding * cutting.word) / CORES)]),
      ...(words <= MOST_APART ? [time(true, apartCost)] : []),
    ];
  });
  return all.reduce((best, one) => (one.cost < best.cost ? one : best));
};

/** The same for the tiled kernel. */
export const chosen = (step: MatmulStep, cut: InnerCut, tiles: readonly Tile[] = TILES, rates?: Rates): Chosen<Tile> =>
  chosenOf(step, cut, tiles, IN_REGISTERS, rates);

/** What a tile alone is busy for with a product, in the unit of its cost: divided by the time that it took, its rate. */
export const busyWith = (step: MatmulStep, tile: Tile): number => {
  const cut = innerCut(step);
  return busy(step, tile, cut.parts, chosen(step, cut, [tile]).apart);
};

/** The same on matrix units. */
export const busyOnUnits = (step: MatmulStep, tile: MatrixTile): number => {
  const cut = unitCut(step, tile.depth);
  return busy(step, tile, cut.parts, chosenOf(step, cut, [tile], ON_UNITS).apart);
};
