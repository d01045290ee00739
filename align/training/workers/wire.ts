import { decodeHalves, encodeHalves, type HostData } from "../../../core/index.js";
import { bytesOf, type Message, others, type Workers } from "./workers.js";

/** How gradients travel: bf16 halves the bytes; sums are f32 all the same. */
export type Wire = "f32" | "bf16";

export type Floats = Float32Array | Float64Array;

/** Elements that travel at a time: bounds what waits on the host. */
export const PIECE = 2 ** 23;

/** Part of a parameter. */
export interface Piece {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Parameters in pieces, and the pieces in groups of about as many elements; the same on all ranks. */
export const bucketsOf = (sizes: readonly (readonly [name: string, elements: number])[], most = PIECE): Piece[][] => {
  const buckets: Piece[][] = [];
  let room = 0;
  for (const [name, elements] of sizes)
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
  return buckets;
};

const onWire = (numbers: Floats, wire: Wire): HostData => {
  if (wire === "f32" || numbers instanceof Float64Array) return numbers;
  const bits = new Uint16Array(numbers.length);
  encodeHalves(numbers, "bf16", bits);
  return bits;
};

const offWire = (data: HostData): Floats => {
  if (!(data instanceof Uint16Array)) return data as Floats;
  const numbers = new Float32Array(data.length);
  decodeHalves(data, "bf16", numbers);
  return numbers;
};

const like = <T extends HostData>(data: T): T => new (data.constructor as new (length: number) => T)(data.length);

/**
 * Sums pieces over ranks: each goes to its owner, which adds up in the order of ranks. Returns the sums of the own ones. Every
 * rank's numbers are rounded to what travels, its own too, so that no sum depends on whose it is.
 */
export const sumToOwners = async (
  workers: Workers,
  what: string,
  pieces: readonly { readonly owner: number; readonly numbers: Floats }[],
  wire: Wire,
): Promise<Floats[]> => {
  const travelling = pieces.map(({ owner, numbers }) => ({ owner, data: onWire(numbers, wire) }));
  const own = travelling.filter(({ owner }) => owner === workers.rank).map(({ data }) => data);
  const room = new Map(others(workers).map((peer) => [peer, own.map(like)]));
  const send = others(workers).flatMap((peer) =>
    travelling.flatMap(({ owner, data }): Message[] => (owner === peer ? [{ peer, bytes: bytesOf(data) }] : [])),
  );
  const receive = [...room].flatMap(([peer, places]) => places.map((data) => ({ peer, bytes: bytesOf(data) })));
  await workers.exchange(what, send, receive);
  return own.map((data, i) => {
    const from = (rank: number): Floats => offWire(rank === workers.rank ? data : (room.get(rank) as HostData[])[i]);
    const sum = from(0).slice();
    for (let rank = 1; rank < workers.size; rank++) {
      const more = from(rank);
      for (let k = 0; k < sum.length; k++) sum[k] += more[k];
    }
    return sum;
  });
};

/** Sends pieces from their owners to all, as they are. `pieces` of other ranks are the room for them. */
export const fromOwners = (
  workers: Workers,
  what: string,
  pieces: readonly { readonly owner: number; readonly data: HostData }[],
): Promise<void> =>
  workers.exchange(
    what,
    others(workers).flatMap((peer) =>
      pieces.flatMap(({ owner, data }) => (owner === workers.rank ? [{ peer, bytes: bytesOf(data) }] : [])),
    ),
    pieces.flatMap(({ owner, data }) => (owner === workers.rank ? [] : [{ peer: owner, bytes: bytesOf(data) }])),
  );
