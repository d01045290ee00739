import { DeviceError } from "../../core/index.js";
import type { Launch } from "./launch.js";
import { MOST_PATCHES } from "./threads/control.js";
import { WORD } from "./wasm/expression.js";

/** A word of the program's argument blocks that is an address, set at the beginning of a run. */
export interface Patch {
  /** Position among the argument words. */
  readonly at: number;
  readonly word: { readonly buffer: number; readonly bytes: number } | { readonly common: number };
}

/** A launch with its label, its words laid down: where its blocks begin, and which of their words are scratch addresses. */
export interface Placed {
  readonly launch: Launch & { readonly label: string };
  /** In words. */
  readonly from: number;
  readonly stride: number;
  /** Pairs, as in Job. */
  readonly scratch: readonly number[];
}

/** Lays the argument blocks of all launches one after the other. */
export const place = (launches: readonly Placed["launch"][]) => {
  const words: number[] = [];
  const patches: Patch[] = [];
  const placed = launches.map((launch): Placed => {
    const from = words.length;
    const stride = launch.blocks.reduce((most, { length }) => Math.max(most, length), 0);
    const scratch: number[] = [];
    launch.blocks.forEach((block, b) => {
      block.forEach((word, i) => {
        const at = words.push(typeof word === "number" ? word : 0) - 1;
        if (typeof word === "number") return;
        if (!("scratch" in word)) patches.push({ at, word });
        else if (b === 0) scratch.push(WORD * i, word.scratch);
      });
      for (let i = block.length; i < stride; i++) words.push(0);
    });
    if (scratch.length > 2 * MOST_PATCHES)
      throw new DeviceError(`cpu: ${launch.kernel.key} has too many scratch words`);
    return { launch, from, stride, scratch };
  });
  return { words, patches, placed };
};
