import { ShapeError } from "./errors.js";
import { isTensor, reachable, type Tensor } from "./tensor.js";

/** `f32[8,64]`. Errors: ShapeError for what is no tensor. */
export const typeOf = (t: Tensor): string => {
  if (!isTensor(t)) throw new ShapeError(`typeOf(…): ${typeof t} is no tensor`);
  return `${t.dtype}[${t.shape.join(",")}]`;
};

/** `matmul(f32[8,64], f32[32,64])`: a call as errors show it. Errors: ShapeError for what is no tensor. */
export const callOf = (name: string, inputs: readonly Tensor[]): string => {
  if (!Array.isArray(inputs)) throw new ShapeError(`callOf(…): ${typeof inputs} is no array of tensors`);
  return `${name}(${inputs.map(typeOf).join(", ")})`;
};

const showAttr = (value: unknown): string =>
  ArrayBuffer.isView(value)
    ? `<${(value as Float32Array).length}>`
    : typeof value === "object" && value !== null && !Array.isArray(value)
      ? "{…}"
      : JSON.stringify(value);

/** The graph of some outputs as text, one node a line. What `DEBUG=graph` prints. Errors: ShapeError for what is no tensor. */
export const printGraph = (outputs: readonly Tensor[]): string => {
  if (!Array.isArray(outputs) || !outputs.every(isTensor))
    throw new ShapeError("printGraph(…): outputs are no array of tensors", "write [x, y, …]");
  const order = reachable(outputs);
  const names = new Map(order.map((t, i) => [t, `%${i}`]));
  const lines = order.map((t) => {
    const attrs = Object.entries(t.attrs).map(([k, v]) => `${k}=${showAttr(v)}`);
    return `${names.get(t)} = ${t.op.name}(${[...t.inputs.map((i) => names.get(i)), ...attrs].join(", ")}) : ${typeOf(t)}`;
  });
  return [...lines, `return ${outputs.map((t) => names.get(t)).join(", ")}`].join("\n");
};
