import { bytesOf, sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import { spellAll } from "../../plan/spell.js";
import type { ReduceStep } from "../../plan/steps.js";
import { blocksFor, cut, type Launch, moved, type Range, type Word } from "../launch.js";
import { columnKernel } from "./column-reduce.js";
import { inputDtypes, iotasOf, viewsOf } from "./expression.js";
import { launchMap, startOf, workOf } from "./map.js";
import { joinKernel, PART_BYTES, rowKernel } from "./row-reduce.js";
import { patternKey, planWalk } from "./walk.js";

/** Columns that stay together: cache lines. */
const COLUMNS = 64;

const whole = (length: number): Range => ({ from: 0, size: length });

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
  const dtypes = inputDtypes(step.body);
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
  const views = viewsOf(strides, dtypes);
  const { pattern } = planWalk(dims, views);
  const outside = byColumns ? keptAxes - 1 : keptAxes;
  const code = `${step.reduce}:${step.dtype} ${step.value} ${outside} ${patternKey(pattern)} ${spellAll(step.body)}`;
  const work = sizeOf(dims) * (workOf(step.body, memory.length) + 0.2);
  const count = blocksFor(work);
  /** Arguments of the part of the walk that lies in a range of an axis, but for the output. */
  const walkOf = (axis: number, { from, size }: Range): Word[] => [
    ...step.inputs.map((view, v) => {
      const size = bytesOf(dtypes[v]);
      return moved(startOf(view, size), from * strides[v][axis], size);
    }),
    ...iotas.map((_, v) => from * strides[memory.length + v][axis]),
    ...planWalk(
      dims.map((n, i) => (i === axis ? size : n)),
      views,
    ).words,
  ];
  const output = (elements: number): Word => moved(startOf(step.output), elements);

  if (byColumns) {
    const rows = sizeOf(space.shape.slice(0, column));
    const onColumns = rows < 2;
    const axis = onColumns ? dims.length - 1 : 0;
    const blocks = cut(dims[axis], count, onColumns ? COLUMNS : 1).map((range): Word[] => {
      const to = onColumns ? range.from : range.from * sizeOf(space.shape.slice(1, keptAxes));
      return [...walkOf(axis, range), output(to), { scratch: 0 }];
    });
    const scratch = 8 * (space.shape[column] + 4);
    return [{ kernel: columnKernel(step, pattern, outside, code), blocks, work, scratch }];
  }
  if (keptAxes > 0 && (dims[0] >= count || count < 2)) {
    const blocks = cut(dims[0], count).map((range): Word[] => [
      ...walkOf(0, range),
      output(range.from * sizeOf(space.shape.slice(1, keptAxes))),
    ]);
    return [{ kernel: rowKernel(step, pattern, outside, code, false), blocks, work }];
  }
  if (keptAxes > 0 || count < 2)
    return [
      {
        kernel: rowKernel(step, pattern, outside, code, false),
        blocks: [[...walkOf(0, whole(dims[0])), output(0)]],
        work,
      },
    ];
  // One result: parts of it in any order, and then all of them in theirs.
  const parts = cut(dims[0], count, dims.length === 1 ? COLUMNS : 1);
  const common = PART_BYTES * parts.length;
  return [
    {
      kernel: rowKernel(step, pattern, outside, code, true),
      blocks: parts.map((range, i): Word[] => [...walkOf(0, range), { common: PART_BYTES * i }]),
      common,
    },
    { kernel: joinKernel(step), blocks: [[{ common: 0 }, parts.length, output(0)]], common },
  ];
};
