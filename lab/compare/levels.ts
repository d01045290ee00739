import type { Scored } from "../analysis/paths.js";

/** How far of the way that the reference method goes. */
const SHARES = [0.5, 0.75, 0.9];

/** Down to thousandths, so that the level is within reach. */
const rounded = (style: number): number => Math.floor(1000 * style + 1e-9) / 1000;

/**
 * Style levels at which methods are compared, ascending, where nobody names any: half, three quarters and nine tenths of the way
 * from the model where all start to what the reference method reaches under its worst seed. By validation alone. None where it
 * learns nothing.
 */
export const levelsOf = (start: readonly Scored[], reference: readonly Scored[]): number[] => {
  const styleOf = ({ measures }: Scored): number => measures.validation.style;
  const reached = start.flatMap(({ seed }) => {
    const own = reference.filter((run) => run.seed === seed).map(styleOf);
    return own.length === 0 ? [] : [Math.max(...own)];
  });
  const from = start.length === 0 ? Number.NaN : styleOf(start[0]);
  const to = Math.min(...reached);
  if (!(Number.isFinite(to) && to > from)) return [];
  const levels = SHARES.map((share) => rounded(from + share * (to - from))).filter((level) => level > from);
  return [...new Set(levels)];
};
