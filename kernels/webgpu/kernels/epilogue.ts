import { stridesOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import type { Epilogue, Instruction, MapStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import type { Builder } from "../wgsl/module.js";
import { plus, walk } from "../wgsl/walk.js";

/** Declares what becomes of element e (in the product's order) of value x: fn finish(x: f32, e: u32) -> f32. */
export const declareFinish = (k: Builder, { shape, inputs, body, value }: Epilogue): void => {
  const iotas = body.flatMap((it) => (it.op === "iota" ? [it.strides] : []));
  const space = collapse({ shape, strides: [...inputs.map(({ strides }) => strides), ...iotas] });
  const { lines, offsets } = walk(k, space.shape, space.strides, "e", "axis");
  let seen = 0;
  const values = emitBody(k, body, (position) => {
    const it = body[position];
    if (it.op === "iota") return `${it.dtype}(${offsets[inputs.length + seen++]})`;
    if (it.op !== "load" || it.input === 0) return "x";
    const { buffer, offset } = inputs[it.input - 1];
    return k.buffer(buffer, it.dtype, "read").load(plus(k.param(offset), offsets[it.input - 1]));
  });
  k.func("fn finish(x: f32, e: u32) -> f32", [...lines, ...values, `return v${value};`]);
};

const LOAD = { op: "load", input: 0, dtype: "f32" } as const;

/** Of a product that nothing becomes of. */
export const itself = ({ shape }: View): Epilogue => ({ shape, inputs: [], body: [LOAD], value: 0 });

/** The epilogue as a map over the sum, in order, of products that lie contiguous: for those that are finished in several passes. */
export const sumMap = (products: readonly View[], { shape, inputs, body, value }: Epilogue, output: View): MapStep => {
  const seen = (view: View): View => ({ ...view, shape, strides: stridesOf(shape) });
  const loads = products.map((_, input): Instruction => ({ ...LOAD, input }));
  const sums = loads.slice(1).map((_, i): Instruction => {
    const before = i === 0 ? 0 : products.length + i - 1;
    return { op: "add", args: [before, i + 1], dtype: "f32", from: "f32" };
  });
  const first = loads.length + sums.length; // of the epilogue
  /** A load of the product is the sum. */
  const places = body.map((it, i) => (it.op === "load" && it.input === 0 ? first - 1 : first + i));
  const moved = body.map((it): Instruction => {
    if (it.op === "load" && it.input > 0) return { ...it, input: it.input + products.length - 1 };
    return "args" in it ? { ...it, args: it.args.map((at) => places[at]) } : it;
  });
  return {
    ...{ kind: "map", shape, inputs: [...products.map(seen), ...inputs], body: [...loads, ...sums, ...moved] },
    outputs: [{ value: places[value], view: seen(output), dtype: "f32" }],
  };
};

/** What the epilogue makes of a product of nothing, which is 0. */
export const epilogueOfZero = (epilogue: Epilogue, output: View): MapStep => {
  const zero = { op: "constant", value: 0, dtype: "f32" } as const;
  const body = epilogue.body.map((x) => (x.op === "load" && x.input === 0 ? zero : x));
  return sumMap([output], { ...epilogue, body }, output);
};
