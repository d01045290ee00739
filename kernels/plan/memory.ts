/** Lifetime of a temporary in steps: written at `from`, last read at `to`. */
export interface Lifetime {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
}

/** Which slot each temporary takes, and how large each slot must be. */
export interface Slots {
  readonly slotOf: readonly number[];
  readonly bytes: readonly number[];
}

/**
 * Shares slots between temporaries whose lifetimes do not meet: the best fit among the free slots, else the largest free
 * one grows (sizes are settled before anything runs). Lifetimes must come in order of `from`.
 */
export const assignSlots = (lifetimes: readonly Lifetime[]): Slots => {
  const bytes: number[] = [];
  const slotOf: number[] = [];
  const free: number[] = [];
  const busy: { slot: number; until: number }[] = [];
  for (const { bytes: need, from, to } of lifetimes) {
    for (let i = busy.length - 1; i >= 0; i--) if (busy[i].until < from) free.push(busy.splice(i, 1)[0].slot);
    const fits = free.filter((slot) => bytes[slot] >= need);
    const pick =
      fits.length > 0
        ? fits.reduce((best, slot) => (bytes[slot] < bytes[best] ? slot : best))
        : free.reduce<number | undefined>(
            (best, slot) => (best === undefined || bytes[slot] > bytes[best] ? slot : best),
            undefined,
          );
    const slot = pick ?? bytes.push(0) - 1;
    if (pick !== undefined) free.splice(free.indexOf(pick), 1);
    bytes[slot] = Math.max(bytes[slot], need);
    slotOf.push(slot);
    busy.push({ slot, until: to });
  }
  return { slotOf, bytes };
};
