/** Round values on an axis, ascending, and how to write them. */
export interface Ticks {
  readonly at: readonly number[];
  readonly label: (value: number) => string;
}

/** 1, 2 or 5 times a power of ten, such that about `count` steps of it cover `span` > 0. */
const niceStep = (span: number, count: number): number => {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find((digit) => digit * power >= rough) ?? 10) * power;
};

/** Shorter intervals have no round steps: those would be too small for a number. */
const SHORTEST = 2 ** -1000;

/** About `count` round values inside [low, high]; `whole`: integers only. One value where the interval is empty. */
export const ticks = (low: number, high: number, count: number, whole = false): Ticks => {
  if (!(high - low > SHORTEST)) return { at: [low], label: (value) => String(Number(value.toPrecision(4))) };
  const step = whole ? Math.max(1, niceStep(high - low, count)) : niceStep(high - low, count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const at = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const short = largest < 1e6 && decimals <= 5;
  return { at, label: (value) => (short ? value.toFixed(decimals) : value === 0 ? "0" : value.toExponential(1)) };
};
