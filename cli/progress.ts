/** What progress is written to: standard error, or a recorder in a test. */
interface Sink {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

interface ProgressOptions {
  /** What is under way: `sft`, `dpo`. */
  label: string;
  /** Steps in all. */
  total: number;
  stream: Sink;
  /** Seconds between lines where the stream is no terminal. */
  every?: number;
  /** Clock in seconds. */
  now?: () => number;
}

interface StepReport {
  /** Where something is trained. */
  loss?: number;
  /** Tokens that went through this step, padding included. */
  tokens?: number;
  /** Anything more to show at the end of the line: memory, a margin. */
  more?: string;
}

export interface Progress {
  /** Step `step` of `total` is done (1 for the first; a resumed run begins later). */
  step(step: number, report: StepReport): void;
  /** A line of its own, above the bar. */
  note(line: string): void;
  /** Show the last state and end the line. Harmless when called twice, or with no step done. */
  done(): void;
}

interface State extends StepReport {
  step: number;
  at: number;
}

const BAR = 20;
/** A terminal is redrawn at most so often (seconds). */
const REDRAW = 0.1;

const clock = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const thousands = (rate: number): string =>
  rate >= 9_950 ? `${(rate / 1000).toFixed(0)}k` : rate >= 995 ? `${(rate / 1000).toFixed(1)}k` : rate.toFixed(0);

/** One line that redraws itself on a terminal; elsewhere a plain line every few seconds, and one at the end. */
export const progress = (options: ProgressOptions): Progress => {
  const { label, total, stream, every = 5, now = () => performance.now() / 1000 } = options;
  const terminal = stream.isTTY === true;
  const begun = now();
  /** Speed is measured from the end of the first step here, because that one also compiles. */
  let first: { step: number; at: number } | undefined;
  let tokensSince = 0;
  let last: State | undefined;
  let shownStep: number | undefined;
  let shownAt = begun;
  let open = false;

  const render = ({ step, loss, at, more }: State): string => {
    const share = total > 0 ? Math.min(1, step / total) : 1;
    const full = Math.round(share * BAR);
    const bar = terminal ? `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ` : "";
    const parts = [`${label} ${bar}${String(step).padStart(String(total).length)}/${total}`];
    if (loss !== undefined) parts.push(`loss ${loss.toFixed(4)}`);
    if (step >= total) parts.push(`took ${clock(at - begun)}`);
    if (first !== undefined && step > first.step && at > first.at) {
      const elapsed = at - first.at;
      if (step < total) parts.push(`left ${clock((elapsed / (step - first.step)) * (total - step))}`);
      if (tokensSince > 0) parts.push(`${thousands(tokensSince / elapsed)} tokens/s`);
    }
    if (more !== undefined) parts.push(more);
    return parts.join("  ");
  };

  const show = (): void => {
    if (last === undefined || shownStep === last.step) return;
    shownStep = last.step;
    shownAt = last.at;
    // One column short of the edge: a full line would wrap, and \r could not come back over it.
    if (terminal) stream.write(`\r${render(last).slice(0, (stream.columns || 80) - 1)}\x1b[K`);
    else stream.write(`${render(last)}\n`);
    open = terminal;
  };

  return {
    step(step, report) {
      const at = now();
      if (first === undefined) first = { step, at };
      else tokensSince += report.tokens ?? 0;
      last = { ...report, step, at };
      if (at - shownAt >= (terminal ? REDRAW : every)) show();
    },
    note(line) {
      stream.write(open ? `\r${line}\x1b[K\n` : `${line}\n`);
      if (open) shownStep = undefined;
      if (open) show();
    },
    done() {
      show();
      if (open) stream.write("\n");
      open = false;
    },
  };
};
