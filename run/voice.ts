/** Where work speaks that is not its caller's alone: a command prints it, a program may listen or not. */
export interface Voice {
  /** A line that is worth knowing: what was found, chosen, or does nothing. */
  readonly note: (line: string) => void;
  /** The checks are done, the work begins: whoever held notes back until then, so that a refusal stands alone, shows them. */
  readonly start: () => void;
  /** How far work of unknown length is; not held back, and soon of no interest. */
  readonly wait: (line: string) => void;
  /** Keys that do nothing beside others, which `note` says of a run by itself: in a comparison another may read them. */
  readonly idle?: (keys: readonly string[], beside: string) => void;
  /** A flag that is set, as its caller writes it: --resume, or resume: true. */
  readonly flag: (key: string) => string;
}

/** One that nobody hears. */
export const SILENT: Voice = {
  note: () => {},
  start: () => {},
  wait: () => {},
  flag: (key) => `${key}: true`,
};

/** Tells of keys, if there are any, that do nothing as the others stand: `beside` is "with optim adamw". */
export const tellIdle = (out: Pick<Voice, "note" | "idle">, keys: readonly string[], beside: string): void => {
  if (keys.length === 0) return;
  if (out.idle !== undefined) out.idle(keys, beside);
  else out.note(`note: ${keys.join(", ")} ${keys.length > 1 ? "do" : "does"} nothing ${beside}`);
};
