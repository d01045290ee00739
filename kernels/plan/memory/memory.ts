import { type Area, createArea, type Place } from "./area.js";

/** Lifetime of a temporary in steps: written at `from`, last read at `to`. */
export interface Lifetime {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  /** In place: the lifetime (by position) whose memory it takes over, which ends at `from` and is as large. */
  readonly over?: number;
  /** In place: the host (by position), as large, whose first use ends at `from`. */
  readonly enters?: number;
  /** In place: the host (by position), as large, whose last use begins at `to`. */
  readonly leaves?: number;
}

/** Memory that is there anyway and lies unused between two steps: a donated input until an output takes it over, or an output. */
export interface Host {
  readonly bytes: number;
  /** The last step of its first use, or -1. */
  readonly after: number;
  /** The first step of its last use, or Infinity. */
  readonly before: number;
}

/** Where each temporary lies, and how large each slot must be. */
export interface Placement {
  readonly places: readonly Place[];
  readonly slots: readonly number[];
}

/** Lifetimes with those written over them in place as one; `members` are positions. */
interface Chain {
  readonly bytes: number;
  readonly from: number;
  to: number;
  readonly enters: number | undefined;
  leaves: number | undefined;
  readonly members: number[];
}

const chainsOf = (lifetimes: readonly Lifetime[]): Chain[] => {
  const of: Chain[] = [];
  lifetimes.forEach(({ bytes, from, to, over, enters, leaves }, i) => {
    const chain = over === undefined ? { bytes, from, to, enters, leaves, members: [] } : of[over];
    chain.to = to;
    chain.leaves = leaves;
    chain.members.push(i);
    of.push(chain);
  });
  return of;
};

export interface Surroundings {
  readonly hosts: readonly Host[];
  /** What each step reads and writes, by position. */
  readonly steps: readonly { readonly reads: readonly number[]; readonly writes: readonly number[] }[];
  /** Most bytes of a slot that is shared. Default: any. */
  readonly slotBytes?: number;
  /** Bytes past its end that a step may write along with a value. Default: none. */
  readonly padding?: number;
}

/** Chains that one step reads and writes: they must not lie in one piece of memory. */
const neighbours = (chains: readonly Chain[], steps: Surroundings["steps"]): ReadonlyMap<Chain, ReadonlySet<Chain>> => {
  const apart = new Map<Chain, Set<Chain>>(chains.map((chain) => [chain, new Set()]));
  for (const { reads, writes } of steps)
    for (const write of writes)
      for (const read of reads) {
        const [a, b] = [chains[write], chains[read]];
        if (a === b) continue;
        apart.get(a)?.add(b);
        apart.get(b)?.add(a);
      }
  return apart;
};

/**
 * In what order chains are laid out. None is best for every plan: of what lives long little should lie in the way of what is large,
 * and the other way round. Of some 2 000 chains of a training step one takes 10 to 30 ms.
 */
const ORDERS: readonly ((a: Chain, b: Chain) => number)[] = (() => {
  const life = ({ from, to }: Chain): number => to - from + 1;
  const most = (weight: (chain: Chain) => number) => (a: Chain, b: Chain) => weight(b) - weight(a);
  const [largest, longest] = [most(({ bytes }) => bytes), most(life)];
  return [
    largest,
    (a, b) => largest(a, b) || longest(a, b),
    most((chain) => chain.bytes * Math.sqrt(life(chain))),
    most((chain) => chain.bytes * life(chain)),
  ];
})();

type Spot = { readonly area: Area; readonly offset: number };

/** Chains, the first of them first, each where memory grows least. */
const layOut = (
  chains: readonly Chain[],
  apart: ReadonlyMap<Chain, ReadonlySet<Chain>>,
  { hosts, slotBytes = Number.POSITIVE_INFINITY, padding = 0 }: Surroundings,
): { readonly spots: ReadonlyMap<Chain, Spot>; readonly slots: readonly number[] } => {
  const hosting = hosts
    .map(({ bytes }, i) => createArea("host", i, bytes, padding))
    .sort((a, b) => a.bytes() - b.bytes());
  const slots: Area[] = [];
  const spots = new Map<Chain, Spot>();

  const isOpen = ({ index }: Area, { from, to, enters, leaves }: Chain): boolean => {
    const { after, before } = hosts[index];
    return (
      (from > after || (from === after && enters === index)) && (to < before || (to === before && leaves === index))
    );
  };
  const find = (chain: Chain): Spot => {
    const { bytes } = chain;
    const barred = new Set([...(apart.get(chain) ?? [])].map((other) => spots.get(other)?.area));
    for (const area of hosting) {
      if (area.bytes() < bytes || barred.has(area) || !isOpen(area, chain)) continue;
      const offset = area.gap(chain);
      if (offset + bytes <= area.bytes()) return { area, offset };
    }
    let best: Spot | undefined;
    let least = bytes; // by how much the slots grow
    for (let i = slots.length - 1; i >= 0 && least > 0; i--) {
      const area = slots[i];
      if (barred.has(area)) continue;
      const offset = area.gap(chain);
      const growth = Math.max(0, offset + bytes - area.bytes());
      if (growth >= least || offset + bytes > slotBytes) continue;
      least = growth;
      best = { area, offset };
    }
    if (best !== undefined) return best;
    const own = createArea("slot", slots.length, 0, padding);
    slots.push(own);
    return { area: own, offset: 0 };
  };

  for (const chain of chains) {
    const spot = find(chain);
    spot.area.put(chain, spot.offset);
    spots.set(chain, spot);
  }
  return { spots, slots: slots.map((area) => area.bytes()) };
};

const sum = (slots: readonly number[]): number => slots.reduce((total, bytes) => total + bytes, 0);

/** Slots that take no more are not laid out again: it would cost more time than memory is won. */
const SMALL = 2 ** 24;

/**
 * Lays temporaries into hosts and slots. Each goes where memory grows least: into a host or the smallest slot that has room for
 * it while it lives, else at the end of one that is thus enlarged, else into a slot of its own. What one step reads and writes
 * lies in two: WebGPU binds no buffer both ways, whatever the offsets. Of several orders the one counts that takes least.
 */
export const placeTemporaries = (lifetimes: readonly Lifetime[], surroundings: Surroundings): Placement => {
  const chainOf = chainsOf(lifetimes);
  const apart = neighbours(chainOf, surroundings.steps);
  const chains = [...new Set(chainOf)];
  const attempt = (order: (a: Chain, b: Chain) => number) => layOut([...chains].sort(order), apart, surroundings);
  const [first, ...others] = ORDERS;
  let best = attempt(first);
  for (const order of others) {
    if (sum(best.slots) <= SMALL) break;
    const other = attempt(order);
    if (sum(other.slots) < sum(best.slots)) best = other;
  }
  return {
    places: chainOf.map((chain) => {
      const { area, offset } = best.spots.get(chain) as Spot;
      return { kind: area.kind, index: area.index, offset };
    }),
    slots: best.slots,
  };
};
