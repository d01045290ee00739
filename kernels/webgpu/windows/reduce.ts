import { bytesOf, sizeOf, stridesOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import type { ReduceStep, View } from "../../plan/steps.js";
import { type Box, cut, halves, longestAxis, reachOf, stretches, viewIn, wholeBox } from "./box.js";
import { shifted, storedAs } from "./map.js";
import { type Touched, type Windows, writes } from "./windows.js";

/** How a reduction is laid out: chunks of `length` terms, each added up by so many invocations; a chunk's result is one number. */
export interface Chunking {
  readonly chunks: number;
  readonly length: number;
  /** Invocations that share one chunk: 1, or a workgroup. */
  readonly lanes: number;
}

/** What one kernel reduces. Its views are windows of the step's; reduced axes are counted from their start. */
export interface ReducePart {
  readonly step: ReduceStep;
  readonly chunking: Chunking;
  /** The first chunk, and how many. */
  readonly first: number;
  readonly chunks: number;
  /** Results, [chunks, ...kept], any strides. */
  readonly target: View;
  /** Where a chunk is too long for a window: its terms `from` … `to`, continuing the sums in `target`, [sums, ...kept]. */
  readonly terms?: { readonly from: number; readonly to: number };
}

/** Sums under way of one chunk: a part for each invocation; a lone invocation's total, and its part. */
const sumsOf = ({ lanes }: Chunking): number => (lanes === 1 ? 2 : lanes);

interface Chunks {
  readonly box: Box;
  readonly first: number;
  readonly chunks: number;
}

/** Offsets of the first and last element that reduced terms `from` … `to` touch, for indices of row-major order. */
const spanOf = (shape: readonly number[], strides: readonly number[], from: number, to: number): [number, number] => {
  const dense = stridesOf(shape);
  const at = (i: number) => shape.map((n, axis) => Math.floor(i / dense[axis]) % n);
  const [low, high] = [at(from), at(to - 1)];
  const fork = low.findIndex((n, axis) => n !== high[axis]);
  return strides.reduce<[number, number]>(
    ([first, last], stride, axis) =>
      fork < 0 || axis <= fork
        ? [first + low[axis] * stride, last + high[axis] * stride]
        : [first, last + (shape[axis] - 1) * stride],
    [0, 0],
  );
};

/**
 * A reduction as kernels whose windows fit. Kept indices are cut freely, reduced ones between chunks; a chunk too long for a
 * window is gone through in pieces, its sums waiting in `state` (of a scratch buffer) in between. The same sums in the same
 * order, whatever is cut. `target` is all of [chunks, ...kept].
 */
export const reduceParts = (
  step: ReduceStep,
  chunking: Chunking,
  target: View,
  state: Pick<View, "buffer" | "offset">,
  windows: Windows,
): ReducePart[] => {
  const rank = step.kept.length;
  const terms = sizeOf(step.reduced);
  const space = collapse({ shape: step.reduced, strides: step.inputs.map(({ strides }) => strides.slice(rank)) });
  const keptOnly = (view: View): View => ({ ...view, shape: step.kept, strides: view.strides.slice(0, rank) });
  const inputsOver = (box: Box, from: number, to: number): Touched[] =>
    step.inputs.map((view, i) => {
      const kept = viewIn(keptOnly(view), box);
      const [first, last] = spanOf(space.shape, space.strides[i], from, to);
      const shown = { ...view, shape: [...box.sizes, ...step.reduced], offset: kept.offset };
      const count = reachOf(kept) + last - first;
      const bytes = bytesOf(storedAs(step.body, i));
      return { view: shown, first: kept.offset + first, count, bytes, isWritten: false };
    });
  const targetOver = ({ box, first, chunks }: Chunks): View =>
    viewIn(target, { starts: [first, ...box.starts], sizes: [chunks, ...box.sizes] });
  const termsOf = ({ first, chunks }: Chunks): [number, number] => [
    first * chunking.length,
    Math.min((first + chunks) * chunking.length, terms),
  ];
  const touched = (part: Chunks): Touched[] => [...inputsOver(part.box, ...termsOf(part)), writes(targetOver(part))];
  const stateOver = ({ sizes }: Box): View => {
    const shape = [sumsOf(chunking), ...sizes];
    return { ...state, shape, strides: stridesOf(shape) };
  };
  /** Along each kept axis, and at last along the reduced terms. */
  const stretch = ({ view, count, isWritten }: Touched): number[] => {
    if (isWritten) {
      const [chunks, ...kept] = stretches(view);
      return [...kept, chunks];
    }
    const kept = stretches(view).slice(0, rank);
    return [...kept, count - 1 - kept.reduce((sum, n) => sum + n, 0)];
  };
  const longest = (part: Chunks): number | undefined => longestAxis(windows.tooLong(touched(part)).map(stretch));
  /** Does each term fit, wherever its windows have to start? */
  const fitsByTerms = ({ box, first }: Chunks): boolean =>
    windows.fitsAnywhere(inputsOver(box, first * chunking.length, first * chunking.length + 1), [
      writes(stateOver(box)),
    ]);
  const goesByTerms = (part: Chunks): boolean => part.chunks === 1 && longest(part) === rank && fitsByTerms(part);

  const whole: Chunks = { box: wholeBox(step.kept), first: 0, chunks: chunking.chunks };
  const isWhole = windows.fits(touched(whole));
  const made = (over: Touched[], part: Chunks, more: Pick<ReducePart, "terms"> = {}): ReducePart => {
    const views = windows.place(over);
    const { body, at } = isWhole ? { body: step.body, at: [] } : shifted(step.body, part.box.starts);
    const value = isWhole ? step.value : at[step.value];
    const inputs = views.slice(0, -1);
    return {
      step: { ...step, kept: part.box.sizes, inputs, body, value },
      ...{ chunking, first: part.first, chunks: part.chunks },
      target: views[views.length - 1],
      ...more,
    };
  };
  const parts = cut(
    whole,
    (part) => windows.fits(touched(part)) || goesByTerms(part),
    (part) => {
      const axis = longest(part);
      const { box, first, chunks } = part;
      if (axis === rank && chunks > 1) {
        const half = Math.ceil(chunks / 2);
        return [
          { box, first, chunks: half },
          { box, first: first + half, chunks: chunks - half },
        ];
      }
      const keptAxis = axis === rank ? longestAxis(touched(part).map((one) => stretch(one).slice(0, rank))) : axis;
      if (keptAxis === undefined) return windows.refuse(`a reduction (${step.reduce})`, touched(part));
      return halves(box, keptAxis).map((half) => ({ box: half, first, chunks }));
    },
  );
  return parts.flatMap((part) => {
    if (windows.fits(touched(part))) return [made(touched(part), part)];
    const held = stateOver(part.box);
    const [begin, end] = termsOf(part);
    const over = ({ from, to }: { from: number; to: number }) => [...inputsOver(part.box, from, to), writes(held)];
    const pieces = cut(
      { from: begin, to: end },
      (piece) => windows.fits(over(piece)),
      ({ from, to }) => {
        const middle = Math.ceil((from + to) / 2);
        return [
          { from, to: middle },
          { from: middle, to },
        ];
      },
    );
    // The chunk's result: a reduction of its sums, laid out as the chunk's own.
    const [sums, ...strides] = held.strides;
    const joining: ReduceStep = {
      ...step,
      kept: part.box.sizes,
      reduced: [held.shape[0]],
      inputs: [{ ...held, shape: [...part.box.sizes, held.shape[0]], strides: [...strides, sums] }],
      body: [{ op: "load", input: 0, dtype: step.dtype }],
      value: 0,
    };
    const joined: Chunking = { chunks: 1, length: held.shape[0], lanes: chunking.lanes };
    return [
      ...pieces.map((piece) => made(over(piece), part, { terms: piece })),
      ...reduceParts(joining, joined, targetOver(part), state, windows),
    ];
  });
};
