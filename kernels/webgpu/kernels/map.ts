import { sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { MapStep } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import { builder, type Kernel } from "../wgsl/module.js";
import { indent, plus, walk } from "../wgsl/walk.js";

const WORKGROUP = 64;

/** One invocation an element. */
export const mapKernels = (step: MapStep): Kernel[] => {
  const size = sizeOf(step.shape);
  if (size === 0) return [];
  const k = builder("map");
  const iotas = step.body.flatMap((it) => (it.op === "iota" ? [it.strides] : []));
  const views = [...step.inputs, ...step.outputs.map(({ view }) => view)];
  const space = collapse({ shape: step.shape, strides: [...views.map((view) => view.strides), ...iotas] });
  const count = k.param(size);
  const { lines, offsets } = walk(k, space.shape, space.strides, "i", "c");
  const address = (view: number) => plus(k.param(views[view].offset), offsets[view]);

  let seen = 0;
  const values = emitBody(k, step.body, (position) => {
    const it = step.body[position];
    if (it.op === "iota") return `${it.dtype}(${offsets[views.length + seen++]})`;
    if (it.op !== "load") return "";
    return k.buffer(step.inputs[it.input].buffer, it.dtype, "read").load(address(it.input));
  });
  const stores = step.outputs.map(({ value, view, dtype }, i) =>
    k.buffer(view.buffer, dtype, "write").store(address(step.inputs.length + i), `v${value}`),
  );
  const body = [
    `let i = group * ${WORKGROUP}u + lane;`,
    `if (i >= ${count}) { return; }`,
    ...lines,
    ...values,
    ...stores,
  ];
  return [k.finish({ workgroupSize: WORKGROUP, workgroups: Math.ceil(size / WORKGROUP), body: indent(body) })];
};
