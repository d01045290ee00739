import { cast, matmul, reachable, rewrite, type Tensor } from "../../core/index.js";

const isRounded = (t: Tensor): boolean => t.op.name === "matmul" && t.attrs.operands === "f16";

/** Products of f16 operands as products of operands that were rounded to f16: for devices whose products are of f32. */
export const roundedOperands = (outputs: readonly Tensor[]): readonly Tensor[] =>
  reachable(outputs).some(isRounded)
    ? rewrite(outputs, (t, [a, b]) => (isRounded(t) ? matmul(cast(a, "f16"), cast(b, "f16")) : undefined))
    : outputs;
