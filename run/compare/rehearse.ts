import { checkTasks } from "../../lab/evaluate/index.js";
import type { RunPlan } from "../dry-run/dry-run.js";
import type { TrainingKind } from "../fit/kinds.js";
import type { Host } from "../host.js";
import type { TrainingValues, Values } from "../options/takes.js";
import { tellSeen } from "../parts/data.js";
import { runs } from "../runs.js";
import { SILENT, type Voice } from "../voice.js";
import type { Exam, Held } from "./exam.js";
import type { Plan, PlannedMethod } from "./plan.js";

/** What a method's runs would take. */
export interface MethodPlan {
  readonly steps: number;
  readonly peak_memory_bytes: number;
}

/** A key that does nothing in a method, beside what. */
interface Idle {
  readonly method: PlannedMethod;
  readonly key: string;
  readonly beside: string;
}

/** A voice that says what several methods have to say once, and hears what does nothing in one. */
const once = (
  out: Voice,
  held: readonly Held[],
  idle: (method: PlannedMethod, keys: readonly string[], beside: string) => void,
) => {
  const said = new Set<string>();
  const note = (line: string): void => {
    if (!said.has(line)) out.note(line);
    said.add(line);
  };
  return (method: PlannedMethod): Host => ({
    ...SILENT,
    ...{ wait: out.wait, note, observers: () => [] },
    trainsOn: (rows) => {
      for (const { path, ...one } of held) tellSeen(path, one, rows, { note });
    },
    idle: (keys, beside) => idle(method, keys, beside),
  });
};

/** What `base` says to no method at all, and what a method says in vain itself. What one method reads, others may pass over. */
const idleNotes = (
  found: readonly Idle[],
  methods: readonly PlannedMethod[],
  { spec, values, trained, used }: Plan,
): readonly string[] => {
  const said = (of: TrainingValues, key: string): string => JSON.stringify(of[key as keyof TrainingValues]);
  const isShared = ({ method, key }: Idle): boolean => said(method.values, key) === said(values, key);
  const everywhere = (key: string): boolean =>
    methods.length === trained.length &&
    !used.has(key) &&
    methods.every((method) => found.some((one) => one.method === method && one.key === key));
  const inVain = [...new Set(found.filter(isShared).map(({ key }) => key))].filter(everywhere);
  return [
    ...inVain.map((key) => `note: ${spec.base.where}: ${key} does nothing in any of the methods`),
    ...found
      .filter((one) => !isShared(one))
      .map(({ method, key, beside }) => `note: methods: ${method.name}: ${key} does nothing ${beside}`),
  ];
};

/**
 * Goes through the first run of methods up to its first step, as a dry run does. → steps and memory, by method, and held-out rows
 * that one trains on are told. Errors: InputError for what would end it, with the method's name.
 */
export const rehearse = async (
  methods: readonly PlannedMethod[],
  plan: Plan,
  held: readonly Held[],
  out: Voice,
): Promise<ReadonlyMap<string, MethodPlan>> => {
  const idle: Idle[] = [];
  const hostOf = once(out, held, (method, keys, beside) => idle.push(...keys.map((key) => ({ method, key, beside }))));
  const found = new Map<string, MethodPlan>();
  const planned = <K extends TrainingKind>(kind: K, values: Values<K>, host: Host) =>
    runs[kind]({ ...values, dry_run: true } as Values<K>, host) as Promise<RunPlan>;
  for (const method of methods) {
    const { name, train, values } = method;
    try {
      const { steps, peak_memory_bytes } = await planned(train, values as Values<typeof train>, hostOf(method));
      found.set(name, { steps, peak_memory_bytes });
    } catch (error) {
      // Its kind stays, which says whose fault it is.
      if (error instanceof Error) error.message = `methods: ${name}: ${error.message}`;
      throw error;
    }
  }
  for (const note of idleNotes(idle, methods, plan)) out.note(note);
  return found;
};

/** Tries all that is asked before a model is trained: prompts, judges, sandboxes. Errors: InputError. */
export const rehearseExam = async ({ tasks, tokenizer, maxPositions, tools }: Exam): Promise<void> => {
  await checkTasks([...tasks.validation], { tokenizer, maxPositions }, tools);
  await checkTasks([...tasks.test], { tokenizer, maxPositions }, tools);
};
