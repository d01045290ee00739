import { type HalfType, isHalf, sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { MapStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import { type Builder, builder, type Kernel } from "../wgsl/module.js";
import { indent, plus, walk } from "../wgsl/walk.js";

const WORKGROUP = 64;

/** An output of 16-bit elements, a whole buffer in the order of the map: how a half joins its word, and the word's store. */
const wordOf = (k: Builder, { buffer }: View, dtype: HalfType, value: string, name: string) => ({
  name,
  half: `${name} |= ${k.helper(`${dtype}_code`)}(${value}) << ((i & 1u) * 16u);`,
  store: k.buffer(buffer, "u32", "write").store("pair", name),
});

/**
 * One invocation an element; where an output has 16 bits an element, one every two neighbours, whose halves it writes as
 * one word (of an odd last one, the upper half is 0). In place this stays right: the word is written once both are read.
 */
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
  const stores: string[] = [];
  const words: ReturnType<typeof wordOf>[] = [];
  step.outputs.forEach(({ value, view, dtype }, i) => {
    if (isHalf(dtype)) words.push(wordOf(k, view, dtype, `v${value}`, `word${i}`));
    else stores.push(k.buffer(view.buffer, dtype, "write").store(address(step.inputs.length + i), `v${value}`));
  });
  const each = [...lines, ...values, ...stores];
  const body =
    words.length === 0
      ? [`let i = group * ${WORKGROUP}u + lane;`, `if (i >= ${count}) { return; }`, ...each]
      : [
          `let pair = group * ${WORKGROUP}u + lane;`,
          `if (2u * pair >= ${count}) { return; }`,
          ...words.map(({ name }) => `var ${name} = 0u;`),
          `for (var i = 2u * pair; i < min(2u * pair + 2u, ${count}); i++) {`,
          ...[...each, ...words.map(({ half }) => half)].map((line) => `  ${line}`),
          "}",
          ...words.map(({ store }) => store),
        ];
  const items = words.length === 0 ? size : Math.ceil(size / 2);
  return [k.finish({ workgroupSize: WORKGROUP, workgroups: Math.ceil(items / WORKGROUP), body: indent(body) })];
};
