import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";
import type { RunObserver } from "../running/observer.js";
import { runCharts } from "./charts.js";
import { runHistory } from "./history.js";
import { type CardFacts, modelCard } from "./model-card.js";
import { tensorboard } from "./tensorboard.js";
import { trainerState } from "./trainer-state.js";

/**
 * What a run leaves beside weights and metrics.jsonl: TensorBoard events as it goes, trainer_state.json and charts with
 * every checkpoint and at the end, the model card at the end.
 */
export const runOutputs = (
  facts: Omit<CardFacts, "steps" | "records">,
  tell: (line: string) => void = () => {},
): RunObserver[] => {
  const { label, values } = facts;
  const history = runHistory();
  /** A file that only people read is no reason to end a run. */
  const put = (path: string, text: string): void => {
    try {
      writeTextAtomically(path, text);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      tell(`warning: ${error.message}; the run goes on without it`);
    }
  };
  const write = (step: number): void => {
    const { folder, ...span } = history.start();
    const records = history.records();
    const state = trainerState({ values, records, step, span });
    for (const [file, text] of [["trainer_state.json", state], ...runCharts(label, records)])
      put(join(folder, file), text);
  };
  const files: RunObserver = {
    saved: (_, step) => write(step),
    end: async () => {
      const { folder, steps } = history.start();
      write(steps);
      const card = await modelCard({ ...facts, steps, records: history.records() });
      put(join(folder, "README.md"), card);
    },
  };
  return [history.observer, tensorboard(tell), files];
};
