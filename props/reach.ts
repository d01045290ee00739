/**
 * How far laws reach: TAUGRAD_REACH=10 tries ten times as many random cases, and whatever takes too long for every day.
 */
export const reach = Number(process.env.TAUGRAD_REACH ?? 1);

/** So many random cases, by the reach. */
export const tries = (count: number): number => Math.max(1, Math.round(count * reach));
