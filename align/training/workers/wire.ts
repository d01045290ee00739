import {
  type Device,
  type DType,
  encodeHalves,
  type HostData,
  isHalf,
  type Shape,
  sizeOf,
} from "../../../core/index.js";
import { bytesOf, type Exchange, others, type Workers } from "./workers.js";

/** How gradients travel: bf16 halves the bytes; sums are f32 all the same. */
export type Wire = "f32" | "bf16";

/** Most elements of a bucket, 16 MiB of f32: bounds what waits on the host. */
export const LARGEST = 2 ** 22;

/** Part of a parameter. */
export interface Piece {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Parameters in pieces, and the pieces in groups of about as many elements; the same on all ranks. */
export const bucketsOf = (
  sizes: readonly (readonly [name: string, { readonly shape: Shape }])[],
  most: number,
): Piece[][] => {
  const buckets: Piece[][] = [];
  let room = 0;
  for (const [name, { shape }] of sizes) {
    const elements = sizeOf(shape);
    for (let from = 0; from < elements; ) {
      if (room === 0) {
        buckets.push([]);
        room = most;
      }
      const to = Math.min(elements, from + room);
      buckets[buckets.length - 1].push({ name, from, to });
      room -= to - from;
      from = to;
    }
  }
  return buckets;
};

/** Numbers as they travel. Rounded to nearest even, as `cast` does it on a device. */
export const onWire = (numbers: HostData, wire: Wire): HostData => {
  if (wire === "f32") return numbers;
  const bits = new Uint16Array(numbers.length);
  encodeHalves(numbers instanceof Float32Array ? numbers : Float32Array.from(numbers), "bf16", bits);
  return bits;
};

/** Room on the host for numbers that are to be uploaded to a device. */
export const hostRoom = (elements: number, dtype: DType, { name }: Device): HostData => {
  if (isHalf(dtype)) return new Uint16Array(elements);
  return name === "reference" ? new Float64Array(elements) : new Float32Array(elements);
};

/** A piece as it goes to its owner: its numbers, or where this is the owner room for those of each other rank. */
export type Outgoing = { readonly owner: number; readonly data: HostData } | { readonly theirs: readonly HostData[] };

/** Begins to send pieces to their owners. `theirs` is in the order of `others`. */
export const toOwners = (workers: Workers, what: string, pieces: readonly Outgoing[]): Exchange => {
  const peers = others(workers);
  return workers.begin(
    what,
    pieces.flatMap((piece) => ("data" in piece ? [{ peer: piece.owner, bytes: bytesOf(piece.data) }] : [])),
    pieces.flatMap((piece) =>
      "data" in piece ? [] : peers.map((peer, i) => ({ peer, bytes: bytesOf(piece.theirs[i]) })),
    ),
  );
};

/** Begins to send pieces from their owners to all, as they are. `pieces` of other ranks are the room for them. */
export const fromOwners = (
  workers: Workers,
  what: string,
  pieces: readonly { readonly owner: number; readonly data: HostData }[],
): Exchange =>
  workers.begin(
    what,
    others(workers).flatMap((peer) =>
      pieces.flatMap(({ owner, data }) => (owner === workers.rank ? [{ peer, bytes: bytesOf(data) }] : [])),
    ),
    pieces.flatMap(({ owner, data }) => (owner === workers.rank ? [] : [{ peer: owner, bytes: bytesOf(data) }])),
  );
