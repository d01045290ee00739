import { DeviceError } from "../../core/index.js";
import type { Launch } from "./launch.js";
import { MOST_PATCHES } from "./threads/control.js";
import { WORD } from "./wasm/expression.js";

/** Words of the program's argument blocks that are addresses in one buffer, or in common memory: set where it lies elsewhere than before. */
export interface Patches {
  /** Undefined: common memory. */
  readonly buffer: number | undefined;
  readonly places: {
    /** Position among the argument words. */
    readonly at: number;
    /** From where the buffer begins. */
    readonly bytes: number;
  }[];
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
  const patches = new Map<number | undefined, Patches>();
  const note = (buffer: number | undefined, at: number, bytes: number): void => {
    const known = patches.get(buffer) ?? { buffer, places: [] };
    patches.set(buffer, known);
    known.places.push({ at, bytes });
  };
  const placed = launches.map((launch): Placed => {
    const from = words.length;
    const stride = launch.blocks.reduce((most, { length }) => Math.max(most, length), 0);
    const scratch: number[] = [];
    launch.blocks.forEach((block, b) => {
      block.forEach((word, i) => {
        const at = words.push(typeof word === "number" ? word : 0) - 1;
        if (typeof word === "number") return;
        if ("buffer" in word) note(word.buffer, at, word.bytes);
        else if ("common" in word) note(undefined, at, word.common);
        else if (b === 0) scratch.push(WORD * i, word.scratch);
      });
      for (let i = block.length; i < stride; i++) words.push(0);
    });
    if (scratch.length > 2 * MOST_PATCHES)
      throw new DeviceError(`cpu: ${launch.kernel.key} has too many scratch words`);
    return { launch, from, stride, scratch };
  });
  return { words, patches: [...patches.values()], placed };
};
