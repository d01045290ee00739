import { bytesOf, type DType, isHalf } from "../../../core/index.js";

/** What an address (of elements of four bytes, or of two) or the value of an iota grows by from one element to the next. */
export const STEP = { words: 4, halves: 2, ones: 1 } as const;
type Unit = keyof typeof STEP;

/** What is walked beside the index: a tensor in memory or the value of an iota. */
interface Walked {
  readonly unit: Unit;
  /** By axis, in bytes or ones. */
  readonly strides: readonly number[];
}

/**
 * How a kernel steps through its views, as far as the code depends on it: one letter an axis. `0` the view stands still,
 * `1` the innermost axis is contiguous, `s` any other stride. The strides themselves are arguments.
 */
export interface Pattern {
  readonly rank: number;
  readonly views: readonly { readonly unit: Unit; readonly steps: string }[];
}

/** Equal for patterns that make equal code. */
export const patternKey = ({ rank, views }: Pattern): string =>
  `${rank} ${views.map(({ unit, steps }) => `${unit} ${steps}`)}`;

/** The loops of a kernel with their numbers. */
export interface Walk {
  readonly pattern: Pattern;
  /** Argument words after the views' start values: sizes, then for each view its advance at the end of each axis's step. */
  readonly words: readonly number[];
}

/** Strides of a view in memory, in elements. */
export const inMemory = (strides: readonly number[], dtype: DType): Walked => ({
  unit: isHalf(dtype) ? "halves" : "words",
  strides: strides.map((s) => s * bytesOf(dtype)),
});
/** Strides of an iota's value. */
export const asValue = (strides: readonly number[]): Walked => ({ unit: "ones", strides });

/**
 * Plans the walk. Axes are ordered outermost first, and there is at least one. At the end of a step of axis l the inner axes
 * have been walked to their ends, so a pointer moves by its stride less the way it came: only the last axis, which runs on
 * pointers of its own, leaves no way to take back.
 */
export const planWalk = (dims: readonly number[], views: readonly Walked[]): Walk => {
  const rank = dims.length;
  const inner = rank - 1;
  const pattern: Pattern = {
    rank,
    views: views.map(({ unit, strides }) => ({
      unit,
      steps: strides.map((s, axis) => (s === 0 ? "0" : axis === inner && s === STEP[unit] ? "1" : "s")).join(""),
    })),
  };
  const moves = views.flatMap(({ strides }) =>
    strides.map((s, axis) => (axis >= inner - 1 ? s : s - dims[axis + 1] * strides[axis + 1])),
  );
  return { pattern, words: [...dims, ...moves] };
};

/** Argument words of a nest: starts, sizes, moves. */
export const argumentCount = ({ rank, views }: Pattern): number => views.length + rank + views.length * rank;
