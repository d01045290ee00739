import { join } from "node:path";
import type { LoggedRecord } from "../../align/training/writer.js";
import { InputError } from "../../core/errors.js";
import type { RunObserver } from "../running/observer.js";
import { type EventFile, openEvents } from "./event-file.js";

/** `train/loss`, `train/rewards/chosen`, `eval/loss`, …: the names that Hugging Face's Trainer gives its scalars. */
const scalars = ({ step: _, ...record }: LoggedRecord): Record<string, number> =>
  Object.fromEntries(
    Object.entries(record).map(([name, value]) => [
      name.startsWith("eval_") ? `eval/${name.slice("eval_".length)}` : `train/${name}`,
      value as number,
    ]),
  );

/**
 * Every logged number, as TensorBoard reads it, in `runs/` of the output folder. Of a resumed run the events that are missing or
 * damaged are made again from its records. Events that cannot be written end nothing: a word is said of the first.
 */
export const tensorboard = (tell: (line: string) => void): RunObserver => {
  let events: EventFile | undefined;
  const write = (record: LoggedRecord): void => events?.write(record.step as number, scalars(record));
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      events?.close();
      events = undefined;
      tell(`warning: ${error.message}; the run goes on without events for TensorBoard`);
    }
  };
  const open = (folder: string, step: number, records: readonly LoggedRecord[]): void =>
    attempt(() => {
      // One name for the whole run, so that a resumed one finds it; TensorBoard looks for "tfevents".
      const path = join(folder, "runs", "events.out.tfevents.0.taugrad");
      events = openEvents(path, step === 0 ? {} : { keepTo: step });
      if (events.kept >= records.length) {
        if (events.torn)
          tell(`warning: ${path}: the end was no whole event, and is cut; what stands before it is whole`);
        return;
      }
      if (events.kept > 0 || events.torn)
        tell(
          `warning: ${path}: only ${events.kept} of ${records.length} events are whole; made again from metrics.jsonl`,
        );
      events.close();
      events = openEvents(path);
      records.forEach(write);
    });
  return {
    start: ({ folder, step, records }) => open(folder, step, records),
    step: ({ record }) => {
      if (record !== undefined) attempt(() => write(record));
    },
    evaluation: (record) => attempt(() => write(record)),
    again: ({ folder, step, records }) => {
      events?.close();
      open(folder, step, records);
    },
    close: () => events?.close(),
  };
};
