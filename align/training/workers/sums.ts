import {
  add,
  cast,
  compile,
  concat,
  type Device,
  dispose,
  type HostData,
  type Program,
  read,
  reshape,
  sizeOf,
  slice,
  type Tensor,
  tensor,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import { turn } from "../../../models/turn.js";
import type { Shard } from "./shard.js";
import { bucketsOf, hostRoom, LARGEST, type Outgoing, onWire, type Piece, toOwners, type Wire } from "./wire.js";
import { type Exchange, fromFirst, others, type Workers } from "./workers.js";

/** How what all ranks have is summed, and by whom. */
export interface Sharing {
  readonly workers: Workers;
  readonly shard: Shard;
  readonly wire: Wire;
}

/** A sum that is under way. */
export interface Summing {
  /** Takes over leaves that are there; buckets of them set out while the caller computes the next. */
  readonly told: (leaves: readonly (readonly [name: string, leaf: Tensor])[]) => Promise<void>;
  /** Once all were told of: the sums of this rank's own, f32 on the device. */
  readonly end: () => Promise<Params>;
  /** After an error: frees what there is. */
  readonly release: () => Promise<void>;
}

/** Sums over ranks of trees of some shapes. */
export interface Sums {
  readonly begin: (what: string) => Summing;
  /** Of a tree that is all there. */
  readonly of: (what: string, tree: Params) => Promise<Params>;
  /** Bytes of leaves that are worth telling of. */
  readonly bytes: number;
  readonly programs: () => readonly Program[];
}

/** Buckets of a sum where parameters are few. */
const BUCKETS = 4;
/** Buckets on their way at a time: bounds what waits on the host. */
const AHEAD = 4;

/** A bucket that is on its way. */
interface Flight {
  readonly bucket: Bucket;
  readonly theirs: ReadonlyMap<string, readonly HostData[]>;
  /** Once all is read that is to be sent. */
  readonly sent: Promise<Exchange>;
  readonly isHere: () => boolean;
}

/** Pieces that travel together, and the program that adds those of this rank. */
interface Bucket {
  readonly pieces: readonly Piece[];
  readonly added: ReturnType<typeof adding>;
}

/** Adds up what ranks have of a bucket's own pieces, in the order of ranks; each rounded to what travels, this rank's too. */
const adding = (pieces: readonly Piece[], shapes: Params, { workers, wire }: Sharing, device: Device) => {
  const peers = others(workers);
  const ranks = Array.from({ length: workers.size }, (_, rank) => rank);
  return compile(
    (own: Params, theirs: readonly Params[]): Params =>
      Object.fromEntries(
        pieces.map(({ name, from, to }) => {
          const flat = (x: Tensor) => slice(reshape(x, [sizeOf(x.shape)]), [from], [to]);
          const mine = isWhole({ name, from, to }, shapes) ? own[name] : flat(own[name]);
          const sent = wire === "f32" ? mine : cast(cast(mine, "f32"), "bf16");
          const all = ranks.map((rank) => (rank === workers.rank ? sent : theirs[peers.indexOf(rank)][name]));
          return [name, all.map((x) => cast(x, "f32")).reduce((sum, more) => add(sum, more))];
        }),
      ),
    device,
    { donate: [1], name: "sums over ranks" },
  );
};

const isWhole = ({ name, from, to }: Piece, shapes: Params): boolean => from === 0 && to === sizeOf(shapes[name].shape);

/**
 * Sums over ranks, each parameter's at its owner, added up on the device in the order of ranks. From the second sum on, buckets are
 * in the order in which rank 0 had their leaves at the first, so that they set out while later leaves are computed; no number
 * depends on that order.
 */
export const sumsOver = (shapes: Params, sharing: Sharing, device: Device): Sums => {
  const { workers, shard, wire } = sharing;
  const peers = others(workers);
  const total = Object.values(shapes).reduce((n, { shape }) => n + sizeOf(shape), 0);
  const most = Math.min(LARGEST, Math.max(1, Math.ceil(total / BUCKETS)));
  const isOwn = ({ name }: Piece): boolean => shard.ownerOf(name) === workers.rank;
  const joining = compile(
    (parts: readonly Tensor[], like: Tensor): Tensor => reshape(concat([...parts]), like.shape),
    device,
    { name: "sums over ranks" },
  );
  let buckets: readonly Bucket[] | undefined;
  const inOrder = async (names: readonly string[]): Promise<readonly Bucket[]> => {
    const order = workers.isPlanned ? names : await fromFirst(workers, "the order of sums", names);
    return bucketsOf(
      order.map((name) => [name, shapes[name]] as const),
      most,
    ).map((pieces) => ({ pieces, added: adding(pieces.filter(isOwn), shapes, sharing, device) }));
  };
  /** Where only memory is planned, all others' numbers lie in one place. */
  const planned = workers.isPlanned ? hostRoom(most, wire, device) : undefined;
  const room = (elements: number): HostData => planned?.subarray(0, elements) ?? hostRoom(elements, wire, device);

  const begin = (what: string): Summing => {
    const here = new Map<string, Tensor>();
    const whole = new Map<string, Promise<HostData>>();
    const flying: Flight[] = [];
    const sums: Record<string, Tensor[]> = {};
    let next = 0;
    let last: Promise<unknown> = Promise.resolve();

    /** Numbers of a piece for another rank; the leaf is freed with its last. */
    const numbersOf = async ({ name, from, to }: Piece): Promise<HostData> => {
      const leaf = here.get(name) as Tensor;
      const reading = whole.get(name) ?? (planned === undefined ? read(leaf) : Promise.resolve(planned));
      whole.set(name, reading);
      const numbers = await reading;
      if (to === sizeOf(leaf.shape)) {
        whole.delete(name);
        dispose(leaf);
      }
      return planned ?? onWire(numbers.subarray(from, to), wire);
    };
    const post = (bucket: Bucket): Flight => {
      const theirs = new Map<string, readonly HostData[]>();
      const pieces = bucket.pieces.map(async (piece): Promise<Outgoing> => {
        const owner = shard.ownerOf(piece.name);
        if (owner !== workers.rank) return { owner, data: await numbersOf(piece) };
        const rooms = peers.map(() => room(piece.to - piece.from));
        theirs.set(piece.name, rooms);
        return { theirs: rooms };
      });
      let exchange: Exchange | undefined;
      const before = last;
      const sent = (async () => {
        const read = await Promise.all(pieces);
        await before; // messages pair up in their order
        exchange = toOwners(workers, what, read);
        return exchange;
      })();
      sent.catch(() => {}); // awaited later
      last = sent;
      return { bucket, theirs, sent, isHere: () => exchange?.look() ?? false };
    };
    const arrive = async ({ bucket, theirs, sent }: Flight): Promise<void> => {
      await (await sent).end();
      const own = bucket.pieces.filter(isOwn);
      if (own.length === 0) return;
      const others = peers.map((_, i) =>
        Object.fromEntries(
          own.map((piece) => {
            const numbers = theirs.get(piece.name)?.[i] as HostData;
            const shape = isWhole(piece, shapes) ? shapes[piece.name].shape : [numbers.length];
            return [piece.name, tensor(numbers, shape, wire)];
          }),
        ),
      );
      const added = bucket.added(Object.fromEntries(own.map(({ name }) => [name, here.get(name) as Tensor])), others);
      for (const { name, to } of own) {
        sums[name] = [...(sums[name] ?? []), added[name]];
        if (to < sizeOf(shapes[name].shape)) continue;
        const leaf = here.get(name) as Tensor;
        if (sums[name].length > 1) {
          const whole = joining(sums[name], leaf);
          dispose(sums[name]);
          sums[name] = [whole];
        }
        dispose(leaf);
      }
    };
    const setOut = async (known: readonly Bucket[]): Promise<void> => {
      while (next < known.length && known[next].pieces.every(({ name }) => here.has(name))) {
        flying.push(post(known[next++]));
        while (flying.length > AHEAD) await arrive(flying.shift() as Flight);
      }
    };

    return {
      told: async (leaves) => {
        for (const [name, leaf] of leaves) here.set(name, leaf);
        if (buckets !== undefined) await setOut(buckets);
        if (flying.length === 0) return;
        await turn(); // what a device has at once is read by then
        while (flying.length > 0 && flying[0].isHere()) await arrive(flying.shift() as Flight);
        for (const { isHere } of flying) isHere();
      },
      end: async () => {
        buckets ??= await inOrder([...here.keys()]);
        await setOut(buckets);
        for (const flight of flying.splice(0)) await arrive(flight);
        return Object.fromEntries(shard.own.map((name) => [name, sums[name][0]]));
      },
      release: async () => {
        await last.catch(() => {});
        dispose([...here.values()], sums);
      },
    };
  };
  return {
    begin,
    of: async (what, tree) => {
      const summing = begin(what);
      try {
        await summing.told(Object.entries(tree));
        return await summing.end();
      } catch (error) {
        await summing.release();
        throw error;
      }
    },
    bytes: 2 * most, // half a bucket
    programs: () => [joining, ...(buckets ?? []).map(({ added }) => added)].flatMap((program) => program.programs()),
  };
};
