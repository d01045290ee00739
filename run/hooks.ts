import type { StepRecord } from "../align/training/train.js";
import { InputError } from "../core/errors.js";
import { show } from "../models/files/json.js";
import type { EvaluationRecord, RunObserver } from "./running/observer.js";

/** A step that was taken. */
export interface RunStep {
  /** From 1. */
  readonly step: number;
  /** Steps of the run in all. */
  readonly steps: number;
  /** Tokens that went through the model in it, padding included. */
  readonly tokens: number;
  readonly learningRate: number;
  /** Metrics, where the step is logged: see `logging_steps`. */
  readonly record: StepRecord | undefined;
}

/**
 * What a program hears of a run, and says to it. Each is called in its turn and awaited; what one throws ends the run, after a
 * checkpoint was tried, and is what the call rejects with.
 */
export interface RunHooks {
  /** After every step. */
  readonly onStep?: ((step: RunStep) => void | Promise<void>) | undefined;
  /** After every step that is logged: a line of metrics.jsonl. */
  readonly onLog?: ((record: StepRecord) => void | Promise<void>) | undefined;
  /** After an evaluation: eval_loss, …. */
  readonly onEvaluation?: ((record: EvaluationRecord) => void | Promise<void>) | undefined;
  /** A checkpoint is on disk, from which `resume` goes on. */
  readonly onSave?: ((checkpoint: string, step: number) => void | Promise<void>) | undefined;
  /** Lines that the command line would print: what was read, what auto chose, warnings, how far a long wait is. */
  readonly onNote?: ((line: string) => void) | undefined;
  /** Once aborted, the run ends after the step that it is in, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

/** What a hook that is called must be. */
export const callable = { is: (hook: unknown) => typeof hook === "function", what: "a function" };

/** Whether a value is what a hook must be, and what that is. */
interface Hook {
  readonly is: (hook: unknown) => boolean;
  readonly what: string;
}

/** Their names, and what each is. */
export const HOOKS: Readonly<Record<keyof RunHooks, Hook>> = {
  ...{ onStep: callable, onLog: callable, onEvaluation: callable, onSave: callable, onNote: callable },
  signal: { is: (hook) => hook instanceof AbortSignal, what: "an AbortSignal" },
};

/** Errors: InputError for a hook that is none of its kind. `where` is the call. */
export const checkHooks = (hooks: object, where: string, kinds: Readonly<Record<string, Hook>> = HOOKS): void => {
  for (const [name, { is, what }] of Object.entries(kinds)) {
    const hook: unknown = hooks[name as keyof typeof hooks];
    if (hook !== undefined && !is(hook)) throw new InputError(`${where}: ${name} is ${show(hook)}; it must be ${what}`);
  }
};

/** A run's observer that calls the hooks. */
export const hooked = ({ onStep, onLog, onEvaluation, onSave }: RunHooks): RunObserver => {
  let steps = 0;
  return {
    start: (at) => {
      steps = at.steps;
    },
    step: async ({ step, tokens, learningRate, record }) => {
      await onStep?.({ step, steps, tokens, learningRate, record });
      if (record !== undefined) await onLog?.(record);
    },
    evaluation: (record) => onEvaluation?.(record),
    saved: (checkpoint, step) => onSave?.(checkpoint, step),
  };
};
