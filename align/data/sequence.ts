/** Tokens from one to before another. */
export type Span = readonly [from: number, to: number];

/** One token sequence; the loss is on the tokens from `completionStart` on. */
export interface Sequence {
  readonly ids: readonly number[];
  readonly completionStart: number;
  /** Of those, only tokens in these stretches; default: all. */
  readonly spans?: readonly Span[];
  /** Where its row stands ("file:line"). */
  readonly at?: string;
}

/** An answer that is wanted (`label` true) or not. */
export interface LabelledSequence extends Sequence {
  readonly label: boolean;
}

/** A preference pair as tokens; both begin with the prompt. */
export interface TokenPair {
  readonly chosen: Sequence;
  readonly rejected: Sequence;
  /** Where its row stands ("file:line"). */
  readonly at?: string;
}

/** How rows become tokens. */
export interface TokenizeOptions {
  /** Longest sequence, in tokens; longer ones are cut. Default: no limit. */
  readonly maxLength?: number;
  /** Longest prompt; a longer one loses its beginning, before `maxLength` is looked at. Default: no limit. */
  readonly maxPromptLength?: number;
  /** Longest answer; a longer one loses its end, likewise. Default: no limit. */
  readonly maxCompletionLength?: number;
  /** Of instruction rows, false: prompts carry the loss too; true: rows without a prompt are an error. */
  readonly completionOnly?: boolean;
  /** Of conversations of instruction rows, only what the chat template marks as the assistant's carries the loss. */
  readonly assistantOnly?: boolean;
  /** Which end survives a cut, of the whole sequence. Default "keep_start", as in TRL. */
  readonly truncationMode?: "keep_start" | "keep_end";
  /** The model's vocabulary; ids outside of it are an error that names the row. */
  readonly vocabSize?: number;
}

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
