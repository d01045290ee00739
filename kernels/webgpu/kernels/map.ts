import { type HalfType, isHalf, sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import type { MapStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import { type Builder, builder, type Kernel } from "../wgsl/module.js";
import { indent, indented, plus, walk } from "../wgsl/walk.js";
import { mapParts } from "../windows/map.js";
import type { Lowering } from "./lowering.js";
import { quadMapKernel } from "./map-quads.js";

const WORKGROUP = 64;

/** An output of 16-bit elements, a run of neighbours in the order of the map: how a half joins its word, and the word's ends. */
const wordOf = (
  k: Builder,
  { buffer, offset }: View,
  dtype: HalfType,
  value: string,
  name: string,
  isPart: boolean,
) => {
  const words = k.buffer(buffer, "u32", "write");
  const code = `${k.helper(`${dtype}_code`)}(${value}) << half`;
  const at = isPart ? `pair + ${k.param(Math.floor(offset / 2))}` : "pair";
  return {
    begin: `var ${name} = ${isPart ? words.load(at) : "0u"};`,
    half: isPart ? `${name} = (${name} & ~(0xffffu << half)) | (${code});` : `${name} |= ${code};`,
    store: words.store(at, name),
  };
};

/**
 * One invocation an element; where an output has 16 bits an element, one every two neighbours, whose halves it writes as
 * one word (of an odd last one, the upper half is 0). In place this stays right: the word is written once both are read. Parts
 * of a map may share a word at their ends, so that each leaves the other's half as it is.
 */
const mapKernel = (step: MapStep, isPart: boolean): Kernel => {
  const size = sizeOf(step.shape);
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
  let before = 0; // elements of the first word that are not this part's
  step.outputs.forEach(({ value, view, dtype }, i) => {
    if (isHalf(dtype)) {
      before = view.offset % 2;
      words.push(wordOf(k, view, dtype, `v${value}`, `word${i}`, isPart));
    } else stores.push(k.buffer(view.buffer, dtype, "write").store(address(step.inputs.length + i), `v${value}`));
  });
  const each = [...lines, ...values, ...stores];
  const skipped = isPart && words.length > 0 ? k.param(before) : "0u";
  const body =
    words.length === 0
      ? [`let i = group * ${WORKGROUP}u + lane;`, `if (i >= ${count}) { return; }`, ...each]
      : [
          `let pair = group * ${WORKGROUP}u + lane;`,
          `if (2u * pair >= ${count} + ${skipped}) { return; }`,
          ...words.map(({ begin }) => begin),
          `for (var i = max(2u * pair, ${skipped}) - ${skipped}; i < min(2u * pair + 2u - ${skipped}, ${count}); i++) {`,
          `  let half = ((i + ${skipped}) & 1u) * 16u;`,
          ...indented([...each, ...words.map(({ half }) => half)]),
          "}",
          ...words.map(({ store }) => store),
        ];
  const items = words.length === 0 ? size : Math.ceil((size + before) / 2);
  return k.finish({ workgroupSize: WORKGROUP, workgroups: Math.ceil(items / WORKGROUP), body: indent(body) });
};

/** An expression over its index space, part by part where bindings ask for it. */
export const mapKernels = (step: MapStep, { windows }: Lowering): Kernel[] => {
  if (sizeOf(step.shape) === 0) return [];
  const parts = mapParts(step, windows);
  return parts.map((part) => quadMapKernel(part) ?? mapKernel(part, parts.length > 1));
};
