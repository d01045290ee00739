import type { Sequence } from "./tokenize.js";

/** Tokens from one to before another. */
export type Span = readonly [from: number, to: number];

/** The stretches of a sequence that carry the loss: its completion, and of that what lies in its spans, if it has some. */
export const learnedSpans = ({ ids, completionStart, spans }: Sequence): readonly Span[] => {
  const own: readonly Span[] = spans ?? [[0, ids.length]];
  return own
    .map(([from, to]): Span => [Math.max(from, completionStart), Math.min(to, ids.length)])
    .filter(([from, to]) => from < to);
};

/** Targets of a sequence: position 0 has nothing before it to be predicted from. */
export const targetsIn = (sequence: Sequence): number =>
  learnedSpans(sequence).reduce((sum, [from, to]) => sum + Math.max(0, to - Math.max(1, from)), 0);

/** Part of a sequence, as one of its own: its tokens `from` to `to`. */
export const part = <S extends Sequence>(sequence: S, from: number, to: number): S => {
  const { ids, completionStart, spans } = sequence;
  const inside = (at: number): number => Math.min(Math.max(0, at - from), to - from);
  return {
    ...sequence,
    ids: from === 0 && to === ids.length ? ids : ids.slice(from, to),
    completionStart: inside(completionStart),
    ...(spans && { spans: spans.map(([a, b]): Span => [inside(a), inside(b)]).filter(([a, b]) => a < b) }),
  };
};
