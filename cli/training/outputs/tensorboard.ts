import { join } from "node:path";
import type { LoggedRecord } from "../../../align/training/writer.js";
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

/** Every logged number, as TensorBoard reads it, in `runs/` of the output folder. */
export const tensorboard = (): RunObserver => {
  let events: EventFile | undefined;
  return {
    start: ({ folder, step }) => {
      // One name for the whole run, so that a resumed one finds it; TensorBoard looks for "tfevents".
      const path = join(folder, "runs", "events.out.tfevents.0.taugrad");
      events = openEvents(path, step === 0 ? {} : { keepTo: step });
    },
    step: ({ record }) => {
      if (record !== undefined) events?.write(record.step, scalars(record));
    },
    evaluation: (record) => events?.write(record.step, scalars(record)),
    close: () => events?.close(),
  };
};
