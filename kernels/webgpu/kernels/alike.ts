import { mapViews } from "../../plan/map-views.js";
import type { Step } from "../../plan/steps.js";
import type { Kernel } from "../wgsl/module.js";
import { type Bounds, createWindows, type Window, type Windows } from "../windows/windows.js";
import { lower } from "./lower.js";
import type { Lowering } from "./lowering.js";

/** Kernels of a step whose buffers are numbered from 0 on. */
interface Known {
  readonly kernels: readonly Kernel[];
  readonly windows: Windows;
  /** Words that it asked for of each scratch buffer. */
  readonly words: readonly number[];
}

/** All that a step says, as text; of numbers JSON knows no -0, and none that are not finite. */
const textOf = (step: Step): string =>
  JSON.stringify(step, (_, said: unknown) =>
    typeof said === "number" && (!Number.isFinite(said) || Object.is(said, -0)) ? `${1 / said} ${said}` : said,
  );

/**
 * Lowers the steps of one program. Layers of a model are alike steps over other buffers: the kernels of one are written once, and
 * bind other buffers for the others. `windows` are the program's, `bounds` what these keep to.
 */
export const lowerAlike = (
  lowering: Lowering,
  buffers: readonly { readonly of: string }[],
  bounds: Bounds,
): ((step: Step) => Kernel[]) => {
  const known = new Map<string, Known>();
  const write = (step: Step, own: readonly { readonly of: string }[]): Known => {
    const words: number[] = [];
    const windows = createWindows(own, bounds);
    const scratch = (index: number, count: number): number => {
      words[index] = Math.max(words[index] ?? 0, count);
      return 0;
    };
    return { kernels: lower(step, { ...lowering, windows, scratch }), windows, words };
  };
  return (step) => {
    const numbers = new Map<number, number>();
    const seen = mapViews(step, (view) => {
      const number = numbers.get(view.buffer) ?? numbers.size;
      numbers.set(view.buffer, number);
      return { ...view, buffer: number };
    });
    const own = [...numbers.keys()];
    const text = textOf(seen);
    const found =
      known.get(text) ??
      write(
        seen,
        own.map((buffer) => buffers[buffer]),
      );
    known.set(text, found);
    for (const [index, count] of found.words.entries()) lowering.scratch(index, count ?? 0);
    const here = (binding: number): number => {
      if (binding < 0) return binding; // scratch
      if (binding < own.length) return own[binding];
      const window = found.windows.at(binding) as Window;
      return lowering.windows.number({ ...window, buffer: here(window.buffer) });
    };
    return found.kernels.map((kernel) => ({ ...kernel, bindings: kernel.bindings.map(here) }));
  };
};
