import type { Point, RunName, Sample, Shown, Told } from "./messages.js";
import { BRANCH_NAMES, type BranchName } from "./settings.js";

/** A run as the page knows it. */
export interface Known extends Shown {
  readonly step: number;
  /** Of a step, lately. */
  readonly milliseconds?: number;
}

/** All that the lab's view draws; what a worker tells makes the next one of it. */
export interface LabState {
  readonly runs: Readonly<Partial<Record<RunName, Known>>>;
  /** Earlier paths of an alignment, with other knobs. */
  readonly ghosts: Readonly<Partial<Record<BranchName, readonly (readonly Point[])[]>>>;
  readonly samples: readonly Sample[];
  readonly asked?: Extract<Told, { kind: "asked" }>;
  readonly rest?: "paused" | "done";
  readonly device?: Extract<Told, { kind: "device" }>;
  readonly problem?: string;
  /** What happened to the worker before this one. */
  readonly notice?: string;
}

export const BEFORE: LabState = { runs: {}, ghosts: {}, samples: [] };

/** Paths of before that are drawn for an alignment. */
const GHOSTS = 3;

const branchOf = (name: RunName): BranchName | undefined => BRANCH_NAMES.find((branch) => branch === name);

const begun = (state: LabState, name: RunName, shown: Shown): LabState => {
  const run: Known = { ...shown, step: shown.points.at(-1)?.step ?? 0 };
  const [branch, before] = [branchOf(name), state.runs[name]];
  const runs = { ...state.runs, [name]: run };
  if (branch === undefined || before === undefined || before.points.length === 0) return { ...state, runs };
  const ghosts = [...(state.ghosts[branch] ?? []), before.points].slice(-GHOSTS);
  return { ...state, runs, ghosts: { ...state.ghosts, [branch]: ghosts } };
};

export const told = (state: LabState, what: Told): LabState => {
  switch (what.kind) {
    case "device":
      return { ...state, device: what, problem: undefined };
    case "samples":
      return { ...state, samples: what.samples };
    case "anew":
      return { ...state, runs: {}, ghosts: {}, asked: undefined, rest: undefined };
    case "run":
      return { ...begun(state, what.run, what.shown), rest: undefined };
    case "step": {
      const { run: name, step, milliseconds } = what;
      const run = state.runs[name];
      return run === undefined
        ? state
        : { ...state, rest: undefined, runs: { ...state.runs, [name]: { ...run, step, milliseconds } } };
    }
    case "point": {
      const { run: name, point, answers } = what;
      const run = state.runs[name];
      return run === undefined
        ? state
        : { ...state, runs: { ...state.runs, [name]: { ...run, points: [...run.points, point], answers } } };
    }
    case "rest":
      return { ...state, rest: what.why };
    case "asked":
      return { ...state, asked: what };
    case "failed":
      return { ...state, problem: what.message };
  }
};
