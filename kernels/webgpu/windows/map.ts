import { type DType, isHalf } from "../../../core/index.js";
import type { Instruction, MapStep } from "../../plan/steps.js";
import { type Box, cut, halves, longestAxis, stretches, viewIn, wholeBox } from "./box.js";
import { reads, type Touched, type Windows, writes } from "./windows.js";

/**
 * An expression over a part of its index space: each iota counts from where the part starts. `at` gives where each
 * entry has gone. The sum is made in u32, before it becomes whatever the iota is.
 */
export const shifted = (
  body: readonly Instruction[],
  starts: readonly number[],
): { readonly body: readonly Instruction[]; readonly at: readonly number[] } => {
  const out: Instruction[] = [];
  const at: number[] = [];
  for (const it of body) {
    if (it.op === "iota") {
      const first = it.strides.reduce((n, stride, axis) => n + stride * (starts[axis] ?? 0), 0);
      const [index, start] = [out.push({ ...it, dtype: "u32" }) - 1, out.length];
      out.push({ op: "constant", value: first, dtype: "u32" });
      out.push({ op: "add", args: [index, start], dtype: "u32", from: "u32" });
      out.push({ op: "cast", args: [start + 1], dtype: it.dtype, from: "u32" });
    } else out.push("args" in it ? { ...it, args: it.args.map((arg) => at[arg]) } : it);
    at.push(out.length - 1);
  }
  return { body: out, at };
};

const partOf = (step: MapStep, box: Box): MapStep => {
  const { body, at } = shifted(step.body, box.starts);
  return {
    ...step,
    shape: box.sizes,
    inputs: step.inputs.map((view) => viewIn(view, box)),
    body,
    outputs: step.outputs.map((out) => ({ ...out, value: at[out.value], view: viewIn(out.view, box) })),
  };
};

/** How an input of an expression is stored. */
export const storedAs = (body: readonly Instruction[], input: number): DType =>
  body.find((it) => it.op === "load" && it.input === input)?.dtype ?? "f32";

const touchedBy = ({ inputs, body, outputs }: MapStep): Touched[] => [
  ...inputs.map((view, i) => reads(view, storedAs(body, i))),
  ...outputs.map(({ view, dtype }) => writes(view, dtype)),
];

/**
 * A map as maps over parts of its index space, each with windows that fit. 16-bit outputs are written word by word, so that
 * parts of theirs have to be runs of neighbours.
 */
export const mapParts = (step: MapStep, windows: Windows): MapStep[] => {
  const placed = (part: MapStep): MapStep => {
    const views = windows.place(touchedBy(part));
    const outputs = part.outputs.map((out, i) => ({ ...out, view: views[part.inputs.length + i] }));
    return { ...part, inputs: views.slice(0, part.inputs.length), outputs };
  };
  if (windows.fits(touchedBy(step))) return [placed(step)];
  const inRuns = step.outputs.some(({ dtype }) => isHalf(dtype));
  const touched = (box: Box) => touchedBy(partOf(step, box));
  return cut(
    wholeBox(step.shape),
    (box) => windows.fits(touched(box)),
    (box) => {
      const axis = inRuns
        ? box.sizes.findIndex((n) => n > 1)
        : longestAxis(windows.tooLong(touched(box)).map(({ view }) => stretches(view)));
      return axis === undefined || axis < 0
        ? windows.refuse("a pointwise expression", touched(box))
        : halves(box, axis);
    },
  ).map((box) => placed(partOf(step, box)));
};
