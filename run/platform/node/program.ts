import { asRefusal } from "../../../core/permitted.js";
import { programCompare as comparison } from "../../compare/program.js";
import type { RunPlan } from "../../dry-run/dry-run.js";
import type { TrainingKind } from "../../fit/kinds.js";
import { checkHooks, hooked, type RunHooks } from "../../hooks.js";
import type { Host } from "../../host.js";
import { programKeys } from "../../keys/program.js";
import { located } from "../../located.js";
import type { RunResult } from "../../result.js";
import { runs } from "../../runs.js";
import { SILENT } from "../../voice.js";

/** A call whose error is one line where Deno's flags do not allow what it needs. */
const asked = <T>(where: string, call: () => Promise<T>): Promise<T> =>
  call().catch((error: unknown) => {
    throw asRefusal(where, error);
  });

/** See run/compare/program.ts. */
export const programCompare: typeof comparison = (options) => asked("compare", () => comparison(options));

/** A run that a program asks for: its keys are read, its hooks called, and nothing else said to anyone. */
export const programRun = <K extends TrainingKind>(
  kind: K,
  options: RunHooks & Readonly<Record<string, unknown>>,
): Promise<RunResult | RunPlan> => asked(kind, () => run(kind, options));

const run = async <K extends TrainingKind>(
  kind: K,
  options: RunHooks & Readonly<Record<string, unknown>>,
): Promise<RunResult | RunPlan> => {
  checkHooks(options, kind);
  const { values, rows, notes } = programKeys(kind, options);
  const { signal, onNote: note = () => {} } = options;
  const host: Host = { ...SILENT, note, wait: note, rows, observers: () => [hooked(options)], signal };
  for (const line of notes) note(line);
  signal?.throwIfAborted();
  return runs[kind](await located(values, host), host);
};
