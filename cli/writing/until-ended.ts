import { type Place, whileLocked } from "../../run/writing/locked.js";
import type { Output } from "../output.js";
import { leave, onEnding } from "./endings.js";

/** Work that a signal ends with a word of what stays and how to go on, at the next turn of the event loop. */
export const orLeft = <T>(farewell: string, work: () => Promise<T>): Promise<T> => {
  const off = onEnding((signal) => leave(signal, farewell));
  return work().finally(off);
};

/** The same in a folder that is locked meanwhile; at the exit it is given back. */
export const untilEnded = <T>(
  place: Place & { readonly farewell: string },
  out: Pick<Output, "note">,
  work: () => Promise<T>,
): Promise<T> => whileLocked(place, out, () => orLeft(place.farewell, work));
