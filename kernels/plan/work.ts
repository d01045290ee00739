import { byteLength, sizeOf } from "../../core/index.js";
import type { CallStep, Instruction, Plan, SingleStep, Step, View } from "./steps.js";

/** What a step must do at the least: arithmetic, and bytes read and written once each. */
export interface Work {
  readonly flops: number;
  readonly bytes: number;
}

/** Elements of the buffer that a view touches: an axis that is broadcast counts once. */
const touched = ({ shape, strides }: View): number =>
  shape.reduce((n, size, i) => (strides[i] === 0 ? n : n * size), 1);

const FREE: ReadonlySet<string> = new Set(["load", "constant", "iota", "cast", "where"]);
/** Operations for each element of an expression; a transcendental counts as one. */
const perElement = (body: readonly Instruction[]): number => body.filter(({ op }) => !FREE.has(op)).length;

type CallWork = (inputs: readonly View[], output: View, attrs: CallStep["attrs"]) => number;
/** Scores and weighted values of [B,T,H,D] over [B,S,G,D], the causal half, or what a window leaves of it: FLOPs of one product each. */
const half = ([q, k]: readonly View[], { most }: CallStep["attrs"]): number => {
  const [batch, length, heads, size] = q.shape;
  return 2 * batch * heads * length * size * Math.min(0.5 * k.shape[1], (most as number | undefined) ?? k.shape[1]);
};
const largest = (views: readonly View[]): number => Math.max(...views.map(({ shape }) => sizeOf(shape)));
/** FLOPs of calls: those of the formulas, nothing that a kernel does twice. */
const CALLS: Readonly<Record<string, CallWork>> = {
  attention: (inputs, _, attrs) => 2 * half(inputs, attrs),
  "attention.vjp": (inputs, _, attrs) => 5 * half(inputs.slice(1), attrs), // after ct
  softmax: (_, out) => 5 * sizeOf(out.shape),
  "softmax.vjp": (_, out) => 4 * sizeOf(out.shape),
  rmsnorm: (_, out) => 4 * sizeOf(out.shape),
  "rmsnorm.vjp": (_, out) => 8 * sizeOf(out.shape),
  headScores: ([hidden, W]) => 2 * sizeOf(hidden.shape) * W.shape[0],
  crossEntropy: (inputs) => 4 * largest(inputs),
  "crossEntropy.vjp": (inputs) => 4 * largest(inputs),
  scatterAdd: (inputs) => sizeOf(inputs[inputs.length - 1].shape),
};

/** The work of one step of a plan. Calls that are not in the table count no FLOPs, and the bytes of their views. */
export const workOf = (step: Step, { buffers }: Plan): Work => {
  const bytesOf = (view: View): number => byteLength(buffers[view.buffer].dtype, touched(view));
  const bytes = (views: readonly View[]): number => {
    const distinct = new Map(
      views.map((view) => [`${view.buffer} ${view.offset} ${view.shape} ${view.strides}`, view]),
    );
    return [...distinct.values()].reduce((n, view) => n + bytesOf(view), 0);
  };
  const sum = (steps: readonly SingleStep[]): Work =>
    steps
      .map((one) => workOf(one, { buffers } as Plan))
      .reduce((all, one) => ({ flops: all.flops + one.flops, bytes: all.bytes + one.bytes }), { flops: 0, bytes: 0 });
  switch (step.kind) {
    case "batch":
      return sum(step.steps);
    case "map":
      return {
        flops: sizeOf(step.shape) * perElement(step.body),
        bytes: bytes(step.inputs) + bytes(step.outputs.map(({ view }) => view)),
      };
    case "reduce":
      return {
        flops: sizeOf([...step.kept, ...step.reduced]) * (perElement(step.body) + 1),
        bytes: bytes(step.inputs) + bytes([step.output]),
      };
    case "matmul": {
      const { a, b, output, epilogue } = step;
      const size = sizeOf(output.shape);
      return {
        flops: 2 * size * (a.shape.at(-1) ?? 0) + size * (epilogue === undefined ? 0 : perElement(epilogue.body)),
        bytes: bytes([a, b, ...(epilogue?.inputs ?? [])]) + bytes([output]),
      };
    }
    case "call":
      return {
        flops: CALLS[step.name]?.(step.inputs, step.output, step.attrs) ?? 0,
        // Of a table only the rows that are asked for.
        bytes:
          (step.name === "gather" ? bytes(step.inputs.slice(1)) + bytes([step.output]) : bytes(step.inputs)) +
          bytes([step.output]),
      };
  }
};
