import { stridesOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import type { Epilogue, MapStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import type { Builder } from "../wgsl/module.js";
import { plus, walk } from "../wgsl/walk.js";

/** Declares what becomes of element e (in the product's order) of value x: fn finish(x: f32, e: u32) -> f32. */
export const declareFinish = (k: Builder, { shape, inputs, body, value }: Epilogue): void => {
  const space = collapse({ shape, strides: inputs.map(({ strides }) => strides) });
  const { lines, offsets } = walk(k, space.shape, space.strides, "e", "axis");
  const values = emitBody(k, body, (position) => {
    const it = body[position];
    if (it.op !== "load" || it.input === 0) return "x";
    const { buffer, offset } = inputs[it.input - 1];
    return k.buffer(buffer, it.dtype, "read").load(plus(k.param(offset), offsets[it.input - 1]));
  });
  k.func("fn finish(x: f32, e: u32) -> f32", [...lines, ...values, `return v${value};`]);
};

/** The epilogue as a map over a product that lies, contiguous, in `product`: for products that are finished in several passes. */
export const epilogueMap = ({ shape, inputs, body, value }: Epilogue, product: View, output: View): MapStep => {
  const seen = (view: View): View => ({ ...view, shape, strides: stridesOf(shape) });
  const outputs = [{ value, view: seen(output), dtype: "f32" as const }];
  return { kind: "map", shape, inputs: [seen(product), ...inputs], body, outputs };
};

/** What the epilogue makes of a product of nothing, which is 0. */
export const epilogueOfZero = (epilogue: Epilogue, output: View): MapStep => {
  const zero = { op: "constant", value: 0, dtype: "f32" } as const;
  const body = epilogue.body.map((x) => (x.op === "load" && x.input === 0 ? zero : x));
  return epilogueMap({ ...epilogue, body }, output, output);
};
