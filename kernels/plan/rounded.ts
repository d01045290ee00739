import { cast, reachable, rewrite, type Tensor } from "../../core/index.js";
import { node } from "../../core/tensor.js";

/** Which inputs of an op are operands of its products. */
const OPERANDS: Readonly<Record<string, readonly number[]>> = {
  matmul: [0, 1],
  headScores: [0, 1],
  attention: [0, 1, 2],
  "attention.vjp": [1, 2, 3], // cotangents may be of any size, and stay as they are
};

const isRounded = (t: Tensor): boolean => t.attrs.operands === "f16" && t.op.name in OPERANDS;

/** x as f16 holds it. */
const rounded = (x: Tensor): Tensor => cast(cast(x, "f16"), "f32");

/** Products of f16 operands as products of operands that were rounded to f16, where a device does not round them itself. */
export const roundedOperands = (
  outputs: readonly Tensor[],
  rounds: (product: Tensor) => boolean = () => false,
): readonly Tensor[] => {
  const isAsked = (t: Tensor): boolean => isRounded(t) && !rounds(t);
  return reachable(outputs).some(isAsked)
    ? rewrite(outputs, (t, inputs) => {
        if (!isAsked(t)) return undefined;
        const { operands, ...attrs } = t.attrs;
        const of = OPERANDS[t.op.name];
        const given = inputs.map((x, i) => (of.includes(i) ? rounded(x) : x));
        return node(t.op, given, attrs, t.shape, t.dtype);
      })
    : outputs;
};
