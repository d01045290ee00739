/** A point of a line. */
interface At {
  readonly x: number;
  readonly y: number;
}

/** Where a line, ascending in x > 0, first falls to half of its first value: log x is interpolated. Undefined: nowhere. */
export const halfway = (line: readonly At[]): number | undefined => {
  const half = line.length === 0 ? 0 : line[0].y / 2;
  const i = line.findIndex(({ y }) => y <= half);
  if (i < 1) return undefined;
  const [before, after] = [line[i - 1], line[i]];
  const t = (before.y - half) / (before.y - after.y);
  return Math.exp(Math.log(before.x) + t * (Math.log(after.x) - Math.log(before.x)));
};
