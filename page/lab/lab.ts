import type { TrainOptions } from "../../align/training/options.js";
import { type Device, dispose, InputError } from "../../core/index.js";
import type { Params } from "../../models/index.js";
import type { Inbox } from "../inbox.js";
import type { Store } from "../store.js";
import { COURSE_RUNS, courseOptions, freshWeights, loadTrained } from "./course.js";
import { type Examiner, openExaminer } from "./exam.js";
import { openGround } from "./ground.js";
import type { Command, Point, RunName, Shown, Told } from "./messages.js";
import { type KeptRun, openRun, type Run } from "./run.js";
import { BRANCH_NAMES, BRANCHES, type BranchName, type Course, type Knobs } from "./settings.js";

/** What a lab works with. */
export interface Bench {
  readonly device: Device;
  readonly course: Course;
  /** Where trained weights to begin with lie. */
  readonly start: string | undefined;
  /** Absent where the browser keeps nothing. */
  readonly store: Store | undefined;
  readonly inbox: Inbox<Command>;
  readonly tell: (told: Told) => void;
}

type Origin = "start" | "nothing";
/** A run at the exam that it was kept at. */
type Kept = { readonly shown: Shown; readonly run: KeptRun };

/** Knobs are kept with the run that they were turned for; a lab begun anew keeps them. */
const KNOBS = "knobs";
const ORIGIN = "origin";

/** A run on the bench, with its exams. */
interface Examined {
  readonly run: Run;
  shown: Shown;
  milliseconds: number;
}

/** Trains, tunes and aligns, and does as it is told meanwhile, for as long as the tab is open. */
export const workLab = async (bench: Bench): Promise<never> => {
  const { device, course, start, store, inbox, tell } = bench;
  const examiner: Examiner = openExaminer(device, course.perKind);
  tell({ kind: "samples", samples: examiner.samples });
  const kept = async <T>(key: string): Promise<T | undefined> => (await store?.get(key)) as T | undefined;
  const knobs: Record<BranchName, Knobs> = {
    ...Object.fromEntries(BRANCH_NAMES.map((name) => [name, BRANCHES[name].knobs])),
    ...(await kept<object>(KNOBS)),
  } as Record<BranchName, Knobs>;
  let [isPaused, next]: [boolean, Origin | undefined] = [false, undefined];
  let weights = new Map<RunName, () => Params>();
  let restart = async (_name: BranchName): Promise<void> => {};

  const ask = async (request: string): Promise<void> => {
    const answers: Partial<Record<RunName, string>> = {};
    let problem: string | undefined;
    try {
      for (const [name, params] of weights) answers[name] = await examiner.ask(params(), request);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problem = error.message;
    }
    tell({ kind: "asked", request, answers, problem });
  };
  const obey = async (command: Command): Promise<void> => {
    switch (command.kind) {
      case "pause":
        isPaused = true;
        return tell({ kind: "rest", why: "paused" });
      case "go":
        isPaused = false;
        return;
      case "ask":
        return ask(command.request);
      case "branch":
        knobs[command.name] = command.knobs;
        await store?.put({ [KNOBS]: knobs });
        return restart(command.name);
      case "anew":
        next = command.from;
        isPaused = false;
    }
  };
  /** Does what it was told; false once the lab is to begin anew. */
  const attend = async (rests = false): Promise<boolean> => {
    for (;;) {
      const command = isPaused || rests ? await inbox.wait() : await inbox.look();
      if (command === undefined) return true;
      await obey(command);
      if (next !== undefined) return false;
      if (rests && !isPaused) return true;
    }
  };

  /** Opens a run where it was left, or at its beginning. */
  const opened = async (name: RunName, optionsFrom: (batch: number) => TrainOptions): Promise<Examined> => {
    const found = await kept<Kept>(name);
    const { steps } = optionsFrom(0);
    const mine = found?.shown.steps === steps ? found : undefined;
    const run = openRun(optionsFrom, device, mine?.run);
    const own = BRANCH_NAMES.find((branch) => branch === name);
    const shown = mine?.shown ?? { steps, points: [], answers: [], ...(own && { knobs: knobs[own] }) };
    weights.set(name, run.params);
    tell({ kind: "run", run: name, shown });
    return { run, shown, milliseconds: 0 };
  };
  /** A step, and where it is due the exam after it, which is kept. */
  const stepped = async (name: RunName, examined: Examined): Promise<void> => {
    const { run } = examined;
    const begun = performance.now();
    const { step, record } = await run.next();
    examined.milliseconds += performance.now() - begun;
    if (record === undefined) return;
    const taken = step - (examined.shown.points.at(-1)?.step ?? 0);
    tell({ kind: "step", run: name, step, milliseconds: examined.milliseconds / taken });
    examined.milliseconds = 0;
    const { score, answers } = await examiner.examine(run.params());
    const point: Point = { step, loss: record.loss, margin: record["rewards/margins"], score };
    examined.shown = { ...examined.shown, points: [...examined.shown.points, point], answers };
    tell({ kind: "point", run: name, point, answers });
    if (store !== undefined) {
      const entry: Kept = { shown: examined.shown, run: await run.kept() };
      await store.put({ [name]: entry });
    }
  };

  /** The base and the tuned model, trained here or there; undefined if the lab is to begin anew meanwhile. */
  const tuned = async (origin: Origin, owned: Params[], runs: Run[]): Promise<[Params, Params] | undefined> => {
    if (origin === "start" && start !== undefined) {
      const trained = await loadTrained(start, device);
      for (const name of COURSE_RUNS) {
        owned.push(trained.weights[name]);
        weights.set(name, () => trained.weights[name]);
        const shown = { steps: course[name].steps, points: trained.points[name], answers: trained.answers[name] };
        tell({ kind: "run", run: name, shown });
      }
      return [trained.weights.base, trained.weights.sft];
    }
    const fresh = freshWeights(device);
    owned.push(fresh);
    let from = fresh;
    for (const name of COURSE_RUNS) {
      const examined = await opened(name, courseOptions(name, course, from));
      runs.push(examined.run);
      while (!examined.run.isDone()) {
        if (!(await attend())) return undefined;
        await stepped(name, examined);
      }
      from = examined.run.params();
    }
    return runs.map((run) => run.params()) as [Params, Params];
  };

  /** The lab once, until it is to begin anew. */
  const live = async (origin: Origin): Promise<void> => {
    const owned: Params[] = [];
    const runs: Run[] = [];
    const branches = new Map<BranchName, Examined>();
    weights = new Map();
    try {
      const made = await tuned(origin, owned, runs);
      if (made === undefined) return;
      weights.delete("base"); // a visitor's question is for those that answer
      const ground = openGround(...made, course, device);
      const open = async (name: BranchName): Promise<void> => {
        branches.set(name, await opened(name, (batch) => ground.options(name, knobs[name], batch)));
      };
      restart = async (name) => {
        await branches.get(name)?.run.close();
        await store?.remove([name]);
        await open(name);
      };
      try {
        for (const name of BRANCH_NAMES) await open(name);
        for (;;) {
          let isIdle = true;
          for (const name of BRANCH_NAMES) {
            if (!(await attend())) return;
            const examined = branches.get(name) as Examined;
            if (examined.run.isDone()) continue;
            isIdle = false;
            await stepped(name, examined);
          }
          if (!isIdle) continue;
          tell({ kind: "rest", why: "done" });
          if (!(await attend(true))) return;
        }
      } finally {
        restart = async () => {};
        for (const { run } of branches.values()) await run.close();
        ground.close();
      }
    } finally {
      for (const run of runs) await run.close();
      dispose(owned);
    }
  };

  let origin: Origin = (await kept<Origin>(ORIGIN)) ?? (start === undefined ? "nothing" : "start");
  for (;;) {
    await store?.put({ [ORIGIN]: origin });
    await live(origin);
    origin = next ?? origin;
    next = undefined;
    await store?.remove([...COURSE_RUNS, ...BRANCH_NAMES]);
    tell({ kind: "anew" });
  }
};
