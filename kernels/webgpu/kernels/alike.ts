import { mapViews } from "../../plan/map-views.js";
import { spelled } from "../../plan/spell.js";
import type { SingleStep, Step } from "../../plan/steps.js";
import type { Kernel } from "../wgsl/module.js";
import type { Window, Windows } from "../windows/windows.js";
import { lower } from "./lower.js";
import type { Lowering } from "./lowering.js";

/** Kernels of a step whose buffers are numbered from 0 on. */
interface Known {
  readonly kernels: readonly Kernel[];
  readonly windows: Windows;
  /** Words that it asked for of each scratch buffer. */
  readonly words: readonly number[];
}

/** Numbers of a step that JSON does not know: -0, and those that are not finite. */
const special = (step: SingleStep): unknown => {
  if (step.kind === "call")
    return JSON.stringify(step.attrs, (_, said: unknown) => (typeof said === "number" ? spelled(said) : said));
  const body = step.kind === "matmul" ? (step.epilogue?.body ?? []) : step.body;
  return body.flatMap((x) => (x.op === "constant" ? [spelled(x.value)] : []));
};

/** All that a step says, as text. */
const textOf = (step: Step): string =>
  `${JSON.stringify(step)} ${step.kind === "batch" ? step.steps.map(special).join(" ") : special(step)}`;

/**
 * Lowers the steps of a program, one after the other. Layers of a model are alike steps over other buffers: the kernels of one are
 * written once, and bind other buffers for the others.
 */
export const lowerAlike = (lowering: Lowering): ((step: Step) => Kernel[]) => {
  const known = new Map<string, Known>();
  const write = (step: Step, buffers: readonly number[]): Known => {
    const words: number[] = [];
    const windows = lowering.windows.over(buffers);
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
    const buffers = [...numbers.keys()];
    const text = textOf(seen);
    const found = known.get(text) ?? write(seen, buffers);
    known.set(text, found);
    const { kernels, windows, words } = found;
    words.forEach((count, index) => void lowering.scratch(index, count));
    const here = (binding: number): number => {
      if (binding < 0) return binding; // scratch
      if (binding < buffers.length) return buffers[binding];
      const window = windows.at(binding) as Window;
      return lowering.windows.number({ ...window, buffer: here(window.buffer) });
    };
    return kernels.map((kernel) => ({ ...kernel, bindings: kernel.bindings.map(here) }));
  };
};
