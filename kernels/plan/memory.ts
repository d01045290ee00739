/** Lifetime of a temporary in steps: written at `from`, last read at `to`. */
export interface Lifetime {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  /** In place: the lifetime (by position) whose memory it takes over, which ends at `from` and is as large. */
  readonly over?: number;
}

/** Which slot each temporary takes, and how large each slot must be. */
export interface Slots {
  readonly slotOf: readonly number[];
  readonly bytes: readonly number[];
}

/** Lifetimes with those written over them in place as one; `members` are positions. */
interface Chain {
  readonly bytes: number;
  readonly from: number;
  to: number;
  readonly members: number[];
}

const chainsOf = (lifetimes: readonly Lifetime[]): Chain[] => {
  const of: Chain[] = [];
  lifetimes.forEach(({ bytes, from, to, over }, i) => {
    const chain = over === undefined ? { bytes, from, to, members: [] } : of[over];
    chain.to = to;
    chain.members.push(i);
    of.push(chain);
  });
  return [...new Set(of)];
};

/** Lifetimes that do not meet, in order. */
interface Slot {
  readonly bytes: number;
  readonly chains: Chain[];
}

/** Where a chain fits between those of a slot, or -1. */
const gapFor = ({ from, to }: Chain, { chains }: Slot): number => {
  let [low, high] = [0, chains.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (chains[middle].from < from) low = middle + 1;
    else high = middle;
  }
  const before = low === 0 || chains[low - 1].to < from;
  return before && (low === chains.length || to < chains[low].from) ? low : -1;
};

/**
 * Shares slots between temporaries whose lifetimes do not meet. The largest come first, and each takes the smallest slot
 * that has room for it: no small value that lives long holds a slot that a large one made.
 */
export const assignSlots = (lifetimes: readonly Lifetime[]): Slots => {
  const slots: Slot[] = []; // from large to small
  const slotOf: number[] = [];
  for (const chain of chainsOf(lifetimes).sort((a, b) => b.bytes - a.bytes)) {
    let pick = -1;
    let gap = -1;
    for (let i = slots.length - 1; i >= 0 && gap < 0; i--) {
      gap = gapFor(chain, slots[i]);
      pick = i;
    }
    if (gap >= 0) slots[pick].chains.splice(gap, 0, chain);
    else pick = slots.push({ bytes: chain.bytes, chains: [chain] }) - 1;
    for (const member of chain.members) slotOf[member] = pick;
  }
  return { slotOf, bytes: slots.map(({ bytes }) => bytes) };
};
