import { sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { ReduceStep } from "../../plan/steps.js";
import type { Launch, Word } from "../launch.js";
import { columnKernel } from "./column-reduce.js";
import { codeKey, iotasOf, viewsOf } from "./expression.js";
import { launchMap, startOf } from "./map.js";
import { rowKernel } from "./row-reduce.js";
import { planWalk } from "./walk.js";

/** The same numbers without a reduction: a sum of nothing, or of one element each. */
const asMap = (step: ReduceStep): Launch[] => {
  const { kept, dtype } = step;
  const outputs = (value: number) => [{ value, view: step.output, dtype }];
  if (step.reduced.includes(0))
    return launchMap({
      kind: "map",
      shape: kept,
      inputs: [],
      body: [{ op: "constant", value: 0, dtype }],
      outputs: outputs(0),
    });
  const inputs = step.inputs.map((view) => ({ ...view, shape: kept, strides: view.strides.slice(0, kept.length) }));
  const body = step.body.map((i) => (i.op === "iota" ? { ...i, strides: i.strides.slice(0, kept.length) } : i));
  return launchMap({ kind: "map", shape: kept, inputs, body, outputs: outputs(step.value) });
};

/**
 * Reduces along rows (four elements of one row at a time) or along columns (four columns at a time), by which of the two
 * lies contiguous in memory. Sums of f32 are accumulated in f64: their error is that of one rounding.
 */
export const launchReduce = (step: ReduceStep): Launch[] => {
  const { kept, reduced } = step;
  if (sizeOf(kept) === 0) return [];
  if (sizeOf(reduced) <= 1) return asMap(step);
  const iotas = iotasOf(step.body);
  const memory = step.inputs.map(({ strides }) => strides);
  const space = collapse({ shape: [...kept, ...reduced], strides: [...memory, ...iotas] }, [kept.length]);
  let keptAxes = 0;
  for (let size = 1; size < sizeOf(kept); keptAxes++) size *= space.shape[keptAxes];

  const contiguous = (axis: number) => memory.filter((_, v) => space.strides[v][axis] === 1).length;
  const last = space.shape.length - 1;
  const column = keptAxes - 1;
  const byColumns = keptAxes > 0 && space.shape[column] >= 4 && contiguous(column) > contiguous(last);
  const order = space.shape.map((_, axis) => axis);
  if (byColumns) order.push(...order.splice(column, 1));
  const dims = order.map((axis) => space.shape[axis]);
  const strides = space.strides.map((s) => order.map((axis) => s[axis]));
  const walk = planWalk(dims, viewsOf(strides.slice(0, memory.length), strides.slice(memory.length)));

  const outside = byColumns ? keptAxes - 1 : keptAxes;
  const code = `${step.reduce}:${step.dtype} ${step.value} ${outside} ${JSON.stringify(walk.pattern)} ${codeKey(step.body)}`;
  const words: Word[] = [...step.inputs.map(startOf), ...iotas.map(() => 0), ...walk.words, startOf(step.output)];
  if (!byColumns) return [{ kernel: rowKernel(step, walk.pattern, outside, code), words, scratch: 0 }];
  words.push({ scratch: 0 });
  const scratch = 8 * (space.shape[column] + 4);
  return [{ kernel: columnKernel(step, walk.pattern, outside, code), words, scratch }];
};
