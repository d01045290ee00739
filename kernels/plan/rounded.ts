import { cast, matmul, rewrite, type Tensor } from "../../core/index.js";

/** Products of f16 operands as products of operands that were rounded to f16: for devices whose products are of f32. */
export const roundedOperands = (outputs: readonly Tensor[]): Tensor[] =>
  rewrite(outputs, (t, [a, b]) =>
    t.op.name === "matmul" && t.attrs.operands === "f16" ? matmul(cast(a, "f16"), cast(b, "f16")) : undefined,
  );
