import { InputError } from "../../../core/errors.js";
import { expects } from "../../../core/expects.js";
import type { Rows } from "../rows.js";
import type { Sequence } from "../sequence.js";
import { part } from "../sequence.js";

/** How rows are put together into rows of at most so many tokens. */
export const PACKING_STRATEGIES = ["bfd", "bfd_split", "ffd", "wrapped"] as const;
/** How rows are packed into one sequence, by TRL's names. */
export type PackingStrategy = (typeof PACKING_STRATEGIES)[number];

/** Tokens `from` to `to` of a row. */
export interface Piece {
  readonly row: number;
  readonly from: number;
  readonly to: number;
}

/** Rows that are packed together at a time, in their order: TRL's `datasets.map` takes as many. */
const TOGETHER = 1000;

const size = ({ from, to }: Piece): number => to - from;

/** A row cut into pieces of at most `most` tokens. */
const cut = (row: number, length: number, most: number): Piece[] =>
  Array.from({ length: Math.ceil(length / most) }, (_, i) => ({
    row,
    from: i * most,
    to: Math.min(length, (i + 1) * most),
  }));

/** Longest first, each into a bin that has room: the one with the least room left, the oldest of several. */
const bestFit = (pieces: readonly Piece[], most: number): Piece[][] => {
  const bins: Piece[][] = [];
  /** Bins by the room they have left, in the order in which they came to have it. */
  const byRoom: Piece[][][] = Array.from({ length: most + 1 }, () => []);
  for (const piece of [...pieces].sort((a, b) => size(b) - size(a))) {
    const length = size(piece);
    let room = length;
    while (room < most && byRoom[room].length === 0) room++;
    const found = byRoom[room].shift();
    const bin = found ?? [];
    if (found === undefined) bins.push(bin);
    bin.push(piece);
    byRoom[(found === undefined ? most : room) - length].push(bin);
  }
  return bins;
};

/** Longest first, each into the first bin that has room. */
const firstFit = (pieces: readonly Piece[], most: number): Piece[][] => {
  const bins: Piece[][] = [];
  const room: number[] = [];
  for (const piece of [...pieces].sort((a, b) => size(b) - size(a))) {
    const at = room.findIndex((left) => left >= size(piece));
    if (at < 0) {
      bins.push([piece]);
      room.push(most - size(piece));
    } else {
      bins[at].push(piece);
      room[at] -= size(piece);
    }
  }
  return bins;
};

/** One row after the other, cut wherever a bin is full. */
const wrap = (lengths: readonly number[], first: number, most: number): Piece[][] => {
  const bins: Piece[][] = [];
  let room = 0;
  for (const [i, length] of lengths.entries())
    for (let from = 0; from < length; ) {
      if (room === 0) {
        bins.push([]);
        room = most;
      }
      const to = Math.min(length, from + room);
      bins[bins.length - 1].push({ row: first + i, from, to });
      room -= to - from;
      from = to;
    }
  return bins;
};

const binsOf = (lengths: readonly number[], first: number, most: number, strategy: PackingStrategy): Piece[][] => {
  if (strategy === "wrapped") return wrap(lengths, first, most);
  const pieces = lengths.flatMap((length, i) => {
    const all = cut(first + i, length, most);
    return strategy === "bfd_split" ? all : all.slice(0, 1);
  });
  return (strategy === "ffd" ? firstFit : bestFit)(pieces, most);
};

/**
 * Which pieces of which rows make which packed row, none longer than `most`:
 *   bfd        best fit, longest first; what is over `most` is left out
 *   bfd_split  the same, and what is over becomes pieces of its own
 *   ffd        first fit, longest first
 *   wrapped    rows one after the other, cut where a packed row is full
 * Law: no token is twice, and none is lost but what bfd and ffd cut off.  Source: pack_dataset of huggingface/trl (ffd: 0.18).
 */
export const packed = (lengths: ArrayLike<number>, most: number, strategy: PackingStrategy): Piece[][] => {
  const all: Piece[][] = [];
  for (let first = 0; first < lengths.length; first += TOGETHER) {
    const some = Array.from({ length: Math.min(TOGETHER, lengths.length - first) }, (_, i) => lengths[first + i]);
    for (const bin of binsOf(some, first, most, strategy)) all.push(bin);
  }
  return all;
};

/** Several sequences that share a row. */
export interface Pack {
  readonly sequences: readonly Sequence[];
  /** They are one: each is seen by those after it. */
  readonly joined: boolean;
  readonly at?: string;
}

/**
 * Rows, packed. Errors: InputError for rows whose lengths are not known.
 */
export const packedRows = (rows: Rows<Sequence>, most: number, strategy: PackingStrategy): Rows<Pack> => {
  expects("packedRows", "rows number", rows, most);
  const { lengths } = rows;
  if (lengths === undefined) throw new InputError("rows are packed by their lengths, and these have none");
  const bins = packed(lengths, most, strategy);
  return {
    length: bins.length,
    lengths: Int32Array.from(bins, (bin) => bin.reduce((sum, piece) => sum + size(piece), 0)),
    at: (index) => {
      const pieces = bins[index];
      const sequences = pieces.map((piece) => part(rows.at(piece.row) as Sequence, piece.from, piece.to));
      const places = [...new Set(sequences.map(({ at }, i) => at ?? `row ${pieces[i].row + 1}`))];
      return { sequences, joined: strategy === "wrapped", at: places.join(", ") };
    },
  };
};

/** Rows of at most so many tokens: longer ones lose their end. */
export const shortened = ({ length, lengths, at }: Rows<Sequence>, most: number): Rows<Sequence> => ({
  length,
  lengths: lengths?.map((n) => Math.min(n, most)),
  at: (index) => {
    const row = at(index);
    return row && part(row, 0, Math.min(most, row.ids.length));
  },
});
