import { type Place, whileLocked } from "../../run/writing/locked.js";
import type { Output } from "../output.js";
import { leave, onEnding } from "./endings.js";

/**
 * `whileLocked` for work that a signal ends with a word of what stays and how to go on, at the next turn of the event loop; at the
 * exit the folder is given back.
 */
export const untilEnded = <T>(
  place: Place & { readonly farewell: string },
  out: Pick<Output, "note">,
  work: () => Promise<T>,
): Promise<T> =>
  whileLocked(place, out, async () => {
    const off = onEnding((signal) => leave(signal, place.farewell));
    return work().finally(off);
  });
