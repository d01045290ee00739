/** A module that a thread loads: it spends what it is told to. */
import type { Answerer } from "../../../models/strangers/thread.js";

export const here = import.meta.url;

export type Spend =
  | { readonly time: true }
  | { readonly heap: true }
  | { readonly buffers: true }
  | { readonly wait: number }
  | { readonly say: string };

export const serve =
  (greeting: string): Answerer<Spend, string> =>
  async (what) => {
    if ("say" in what) {
      if (what.say === "") throw new Error("nothing to say");
      return { value: `${greeting} ${what.say}` };
    }
    if ("wait" in what) {
      await new Promise((resolve) => setTimeout(resolve, what.wait));
      return { value: `${greeting} at last` };
    }
    const held: unknown[] = [];
    for (;;) {
      if ("heap" in what) held.push(new Array(10_000).fill(held.length));
      if ("buffers" in what) {
        held.push(new Uint8Array(2 ** 22).fill(1));
        if (held.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  };
