/** Alignments that go on after the tab was closed: what was begun is in the store, how far it came in snapshots beside it. */
import { lastSnapshot, saveSnapshot } from "../../align/training/snapshots.js";
import { InputError } from "../../core/index.js";
import type { Keeping } from "./align.js";
import type { Keep, Lesson } from "./keep.js";
import type { Margin } from "./messages.js";

/** A snapshot is taken when that costs no more than one part in so many of the time since the last. */
const PART = 20;

/** An alignment as it was left. */
export interface Left {
  readonly lesson: Lesson;
  readonly keeping: Keeping;
  readonly margins: readonly Margin[];
}

/** Keeps an alignment from here on, or from its last snapshot; `margins` are those of its steps so far. `tell` hears once of what is not kept. */
export const keepingOf = async (
  keep: Keep,
  lesson: Lesson,
  margins: () => readonly Margin[],
  tell: (message: string) => void,
): Promise<Left> => {
  const last = await lastSnapshot(keep.runs).catch(async (error) => {
    if (!(error instanceof InputError)) throw error;
    tell(error.message);
    await dropSnapshots(keep);
    return undefined;
  });
  const isMine = last?.about.run === lesson.run;
  let [saved, cost, isFull] = [Number.NEGATIVE_INFINITY, 0, false];
  return {
    lesson,
    margins: isMine ? (last.about.margins as readonly Margin[]) : [],
    keeping: {
      last: isMine ? last : undefined,
      stopped: lesson.stopped,
      save: async ({ step, snapshot }, end) => {
        const begun = performance.now();
        if (isFull || (end === undefined && begun - saved < PART * cost)) return;
        try {
          if (end === "stopped") await keep.put({ lesson: { ...lesson, stopped: step } });
          const about = { run: lesson.run, margins: [...margins()] };
          await saveSnapshot(keep.runs, await snapshot(), { keep: 1, about });
          if (cost === 0) await keep.put({ risk: false });
        } catch (error) {
          if (!(error instanceof InputError) && !(error instanceof DOMException)) throw error;
          isFull = true;
          tell(error.message);
        }
        saved = performance.now();
        cost = saved - begun;
      },
    },
  };
};

/** Lets go of an alignment that is kept. */
export const dropLesson = async (keep: Keep): Promise<void> => {
  await keep.remove("lesson");
  await dropSnapshots(keep);
};

const dropSnapshots = async ({ runs }: Keep): Promise<void> => {
  for (const name of await runs.names()) await runs.remove(name);
};
