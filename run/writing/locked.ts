import { type Lock, lockFolder } from "../../models/files/writing/lock.js";
import type { Voice } from "../voice.js";

/** A folder that is about to be written into. */
export interface Place {
  readonly folder: string;
  /** By what: the command, or the kind of run. */
  readonly what: string;
}

/** The folder, while it is locked. */
export interface Locked extends Pick<Lock, "state"> {
  /** Makes and locks the folder once more, after it has gone. Errors: as `lockFolder`. */
  readonly retake: () => void;
}

/**
 * Does work that writes into a folder, which no other work does meanwhile, in this process or another; it is given back however the
 * work ends. A signal may end the process in the system's own way, which waits for nothing: the next one finds that the holder is
 * gone. Errors: as `lockFolder`, and those of the work.
 */
export const whileLocked = async <T>(
  { folder, what }: Place,
  out: Pick<Voice, "note">,
  work: (lock: Locked) => Promise<T>,
): Promise<T> => {
  let lock = lockFolder(folder, what, out.note);
  try {
    return await work({
      state: () => lock.state(),
      retake: () => {
        lock.release();
        lock = lockFolder(folder, what, out.note);
      },
    });
  } finally {
    lock.release();
  }
};
