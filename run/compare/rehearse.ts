import { checkTasks } from "../../lab/evaluate/index.js";
import type { RunPlan } from "../dry-run/dry-run.js";
import type { TrainingKind } from "../fit/kinds.js";
import type { Host } from "../host.js";
import type { Values } from "../options/takes.js";
import { runs } from "../runs.js";
import { SILENT, type Voice } from "../voice.js";
import type { Exam } from "./exam.js";
import type { PlannedMethod } from "./plan.js";

/** What a method's runs would take. */
export interface MethodPlan {
  readonly steps: number;
  readonly peak_memory_bytes: number;
}

/** A voice that says what several methods have to say once. */
const once = (out: Voice): Host => {
  const said = new Set<string>();
  return {
    ...SILENT,
    wait: out.wait,
    note: (line) => {
      if (!said.has(line)) out.note(line);
      said.add(line);
    },
    observers: () => [],
  };
};

/**
 * Goes through each method's first run up to its first step, as a dry run does. → steps and memory, by method. Errors: InputError
 * for what would end it, with the method's name.
 */
export const rehearse = async (
  methods: readonly PlannedMethod[],
  out: Voice,
): Promise<ReadonlyMap<string, MethodPlan>> => {
  const host = once(out);
  const found = new Map<string, MethodPlan>();
  const planned = <K extends TrainingKind>(kind: K, values: Values<K>) =>
    runs[kind]({ ...values, dry_run: true } as Values<K>, host) as Promise<RunPlan>;
  for (const { name, train, values } of methods) {
    try {
      const { steps, peak_memory_bytes } = await planned(train, values as Values<typeof train>);
      found.set(name, { steps, peak_memory_bytes });
    } catch (error) {
      // Its kind stays, which says whose fault it is.
      if (error instanceof Error) error.message = `methods: ${name}: ${error.message}`;
      throw error;
    }
  }
  return found;
};

/** Tries all that is asked before a model is trained: prompts, judges, sandboxes. Errors: InputError. */
export const rehearseExam = async ({ tasks, tokenizer, maxPositions, tools }: Exam): Promise<void> => {
  await checkTasks([...tasks.validation], { tokenizer, maxPositions }, tools);
  await checkTasks([...tasks.test], { tokenizer, maxPositions }, tools);
};
