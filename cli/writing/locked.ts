import { type Lock, lockFolder } from "../../models/files/writing/lock.js";
import type { Output } from "../output.js";
import { leave, onEnding } from "./endings.js";

/** A folder that a command is about to write into. */
export interface Place {
  readonly folder: string;
  /** The command. */
  readonly what: string;
  /**
   * What is said where a signal ends it: what stays, how to go on. The work lets the event loop turn then. Without it signals end
   * the process in the system's own way, which waits for nothing: the next one finds that the holder is gone.
   */
  readonly farewell?: string;
}

/** The folder, while it is locked. */
export interface Locked extends Pick<Lock, "state"> {
  /** Makes and locks the folder once more, after it has gone. Errors: as `lockFolder`. */
  readonly retake: () => void;
}

/**
 * Does work that writes into a folder, which no other process does meanwhile; it is given back however the work ends, a signal
 * included. Errors: as `lockFolder`, and those of the work.
 */
export const whileLocked = async <T>(
  { folder, what, farewell }: Place,
  out: Pick<Output, "note">,
  work: (lock: Locked) => Promise<T>,
): Promise<T> => {
  let lock = lockFolder(folder, what, out.note);
  // At the exit the folder is given back.
  const off = farewell === undefined ? () => {} : onEnding((signal) => leave(signal, farewell));
  try {
    return await work({
      state: () => lock.state(),
      retake: () => {
        lock.release();
        lock = lockFolder(folder, what, out.note);
      },
    });
  } finally {
    off();
    lock.release();
  }
};
