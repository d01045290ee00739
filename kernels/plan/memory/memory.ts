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

/** Where a temporary lies: so many bytes into a slot, or into a host. */
export interface Place {
  readonly kind: "slot" | "host";
  readonly index: number;
  readonly offset: number;
}

/** Where each temporary lies, and how large each slot must be. */
export interface Placement {
  readonly places: readonly Place[];
  readonly slots: readonly number[];
}

/** What every binding may begin at. */
const ALIGN = 256;

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

interface Placed {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  readonly end: number;
}

/** Log2 of the steps that a list of an area covers: what lives shortly looks through one of them alone. */
const SPAN = 6;

/** A piece of memory and what lies in it when. */
interface Area extends Pick<Place, "kind" | "index"> {
  readonly bytes: () => number;
  /** The lowest offset from which on there is room for the chain while it lives. */
  readonly gap: (chain: Chain) => number;
  readonly put: (chain: Chain, offset: number) => void;
}

/** Adds to a list that is in the order of offsets. */
const insert = (list: Placed[], placed: Placed): void => {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].offset <= placed.offset) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, placed);
};

const createArea = (kind: Place["kind"], index: number, initial: number, padding: number): Area => {
  const all: Placed[] = [];
  const bySpan = new Map<number, Placed[]>();
  let size = initial;
  return {
    kind,
    index,
    bytes: () => size,
    gap: ({ bytes, from, to }) => {
      const span = from >> SPAN;
      const there = span === to >> SPAN ? bySpan.get(span) : all;
      let at = 0;
      for (const other of there ?? []) {
        if (other.from > to || other.to < from) continue;
        if (at + bytes + padding <= other.offset) break;
        at = Math.max(at, Math.ceil((other.end + padding) / ALIGN) * ALIGN);
      }
      return at;
    },
    put: ({ bytes, from, to }, offset) => {
      const placed = { from, to, offset, end: offset + bytes };
      insert(all, placed);
      for (let span = from >> SPAN; span <= to >> SPAN; span++) {
        const list = bySpan.get(span) ?? [];
        insert(list, placed);
        bySpan.set(span, list);
      }
      size = Math.max(size, placed.end);
    },
  };
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
 * Lays temporaries into hosts and slots. The largest come first, and each goes where memory grows least: into a host or the
 * smallest slot that has room for it while it lives, else at the end of one that is thus enlarged, else into a slot of its own. What
 * one step reads and writes lies in two: WebGPU binds no buffer both ways, whatever the offsets.
 */
export const placeTemporaries = (
  lifetimes: readonly Lifetime[],
  { hosts, steps, slotBytes = Number.POSITIVE_INFINITY, padding = 0 }: Surroundings,
): Placement => {
  const chainOf = chainsOf(lifetimes);
  const apart = neighbours(chainOf, steps);
  const hosting = hosts
    .map(({ bytes }, i) => createArea("host", i, bytes, padding))
    .sort((a, b) => a.bytes() - b.bytes());
  const slots: Area[] = [];
  const placed = new Map<Chain, { readonly area: Area; readonly offset: number }>();

  const isOpen = ({ index }: Area, { from, to, enters, leaves }: Chain): boolean => {
    const { after, before } = hosts[index];
    return (
      (from > after || (from === after && enters === index)) && (to < before || (to === before && leaves === index))
    );
  };
  const find = (chain: Chain): { readonly area: Area; readonly offset: number } => {
    const { bytes } = chain;
    const barred = new Set([...(apart.get(chain) ?? [])].map((other) => placed.get(other)?.area));
    for (const area of hosting) {
      if (area.bytes() < bytes || barred.has(area) || !isOpen(area, chain)) continue;
      const offset = area.gap(chain);
      if (offset + bytes <= area.bytes()) return { area, offset };
    }
    let best: { readonly area: Area; readonly offset: number } | undefined;
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

  for (const chain of [...new Set(chainOf)].sort((a, b) => b.bytes - a.bytes)) {
    const place = find(chain);
    place.area.put(chain, place.offset);
    placed.set(chain, place);
  }
  return {
    places: chainOf.map((chain) => {
      const { area, offset } = placed.get(chain) as { readonly area: Area; readonly offset: number };
      return { kind: area.kind, index: area.index, offset };
    }),
    slots: slots.map((area) => area.bytes()),
  };
};
