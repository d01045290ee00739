import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Heart, openHeart } from "../../models/files/writing/heart.js";
import { type Holder, isGone, thisProcess } from "../../models/files/writing/holder.js";
import { makeFolder } from "../../models/files/writing/make-folder.js";
import { type Ending, endClaim, makeClaim, readClaim, type Told } from "./claim-file.js";

/** The last claim of a job, and what it means for others. */
export interface Claimed extends Told {
  /** Which of its claims it is, from 1. */
  readonly turn: number;
  /** `free`: given back, or its holder is gone. `failed`: not tried again until somebody asks for it. */
  readonly state: "held" | "free" | "done" | "failed";
  /** Why it failed. */
  readonly reason?: string;
}

/** A job that is this process's to do. */
export interface Claim {
  /** Is it still? Who was silent for too long may have lost it. */
  readonly isHeld: () => boolean;
  /** Seconds since it was taken. */
  readonly seconds: () => number;
  readonly end: (ending: Ending) => void;
}

/** How often a job's holder may be gone, or its worker process be killed, until the job counts as one that kills them. */
const MOST = { gone: 10, lost: 5 };

/** Where a scheduler runs this process, for people. */
const taskIn = (env: NodeJS.ProcessEnv): string => {
  const {
    SLURM_JOB_ID: slurm,
    SLURM_ARRAY_JOB_ID: array,
    SLURM_ARRAY_TASK_ID: task,
    JOB_COMPLETION_INDEX: index,
  } = env;
  if (array !== undefined && task !== undefined) return `, Slurm ${array}_${task}`;
  if (slurm !== undefined) return `, Slurm ${slurm}`;
  return index === undefined ? "" : `, index ${index}`;
};

const NAME = /^([\w-]+)\.(\d+)$/;

/** Every claim there is, by job: the turns of each, ascending. */
const turnsIn = (folder: string): ReadonlyMap<string, readonly number[]> => {
  const turns = new Map<string, number[]>();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const [, id, turn] = NAME.exec(name) ?? [];
    if (id !== undefined) turns.set(id, [...(turns.get(id) ?? []), Number(turn)]);
  }
  for (const all of turns.values()) all.sort((a, b) => a - b);
  return turns;
};

/** Looks at claims, and takes none. */
export interface Board {
  readonly me: Holder;
  /** The last claim of every job that was ever claimed. */
  readonly look: () => ReadonlyMap<string, Claimed>;
  /** All claims of every job, ascending. */
  readonly all: () => ReadonlyMap<string, readonly Told[]>;
}

/** Reads the claims in a folder. A holder on another machine is gone when this one has seen no sign of it for so long. */
export const watchClaims = (folder: string, what: string): Board => {
  const me = thisProcess(randomUUID(), `${what}${taskIn(process.env)}`);
  const ended = new Map<string, Told>();
  const signs = new Map<string, { readonly sign: string; readonly since: number }>();

  const read = (path: string): Told => {
    const known = ended.get(path);
    if (known !== undefined) return known;
    const told = readClaim(path);
    if (told.ending !== undefined) ended.set(path, told);
    return told;
  };
  /** Seconds, by this process's own clock, in which it has seen nothing new: clocks of machines differ. */
  const silenceOf = (path: string, sign: string): number => {
    if (signs.get(path)?.sign !== sign) signs.set(path, { sign, since: performance.now() });
    return (performance.now() - (signs.get(path)?.since ?? 0)) / 1000;
  };
  const claimed = (id: string, turns: readonly number[]): Claimed => {
    const turn = turns.at(-1) as number;
    const path = join(folder, `${id}.${turn}`);
    const told = read(path);
    const { holder, ending } = told;
    const deadly = (how: (one: Told) => boolean, most: number): boolean =>
      turns.length >= most && turns.filter((at) => how(read(join(folder, `${id}.${at}`)))).length >= most;
    switch (ending?.end) {
      case "done":
        return { ...told, turn, state: "done" };
      case "failed":
        return { ...told, turn, state: "failed", reason: ending.reason };
      case "lost":
        return deadly((one) => one.ending?.end === "lost", MOST.lost)
          ? { ...told, turn, state: "failed", reason: `${ending.reason}, ${MOST.lost} times` }
          : { ...told, turn, state: "free" };
      case "left":
        return { ...told, turn, state: "free" };
      default:
        if (!isGone(holder, me, silenceOf(path, told.sign))) return { ...told, turn, state: "held" };
        return deadly((one) => one.ending === undefined, MOST.gone)
          ? { ...told, turn, state: "failed", reason: `whoever did it was gone before its end, ${MOST.gone} times` }
          : { ...told, turn, state: "free" };
    }
  };
  return {
    me,
    look: () => new Map([...turnsIn(folder)].map(([id, turns]) => [id, claimed(id, turns)])),
    all: () =>
      new Map(
        [...turnsIn(folder)].map(([id, turns]) => [id, turns.map((turn) => read(join(folder, `${id}.${turn}`)))]),
      ),
  };
};

/** Claims of jobs in a folder that many processes on many machines share, with no server. */
export interface Claims extends Board {
  /** Takes a job that is free, as was seen; undefined where somebody else was faster. Errors: the file system's. */
  readonly take: (id: string, seen: Claimed | undefined) => Claim | undefined;
  /** Gives back all that is held; also done when the process ends in a way that can be caught. */
  readonly close: () => void;
}

/**
 * Opens a folder of claims, and makes it. A job's claims are files ID.1, ID.2, …: each is made by the one process for which the
 * file system makes it, and the next only when the last has ended or its holder is gone, so that nobody ever removes or replaces
 * another's. They stay, as a record of who did what. Nothing of it asks for locks, links, or clocks that agree.
 */
export const openClaims = (folder: string, what: string): Claims => {
  makeFolder(folder);
  const board = watchClaims(folder, what);
  const held = new Map<string, string>();
  let heart: Heart | undefined;
  const end = (path: string, ending: Ending): void => {
    if (!held.delete(path)) return;
    heart?.drop(path);
    try {
      endClaim(path, ending);
    } catch {
      // what cannot be written any more names a process that will be gone, and a result that lies there counts without it
    }
  };
  const close = (): void => {
    process.off("exit", close);
    for (const path of held.keys()) end(path, { end: "left" });
    heart?.stop();
    heart = undefined;
  };
  process.on("exit", close);
  return {
    ...board,
    take: (id, seen) => {
      const turn = (seen?.turn ?? 0) + 1;
      const path = join(folder, `${id}.${turn}`);
      const text = makeClaim(path, { ...board.me, since: new Date().toISOString() });
      if (text === undefined) return undefined;
      const began = performance.now();
      held.set(path, text);
      heart ??= openHeart();
      heart.add(path, text);
      return {
        isHeld: () => held.has(path) && !existsSync(join(folder, `${id}.${turn + 1}`)),
        seconds: () => (performance.now() - began) / 1000,
        end: (ending) => end(path, ending),
      };
    },
    close,
  };
};
