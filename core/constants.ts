import type { HostData } from "./dtype.js";
import { constantNumbers, constantOp, tensor } from "./ops/leaf.js";
import { type HostTensorData, reachable, type Tensor } from "./tensor.js";

/** Ops whose definition, rounded to f32, is to the bit what devices compute. */
const exact: ReadonlySet<string> = new Set(
  "iota cast neg abs add sub mul maximum minimum less lessEqual equal and or not where".split(" "),
);

const rounded = (data: HostData): HostData => (data instanceof Float64Array ? data.map(Math.fround) : data);

/**
 * What can be known without a device, as a constant with its numbers: `zeros(…)`, `iota(…)`, views of constants, and exact
 * arithmetic on them. Undefined for everything else.
 */
export const knownConstant = (t: Tensor): Tensor | undefined => {
  if (t.op === constantOp) return t;
  const values = new Map<Tensor, HostTensorData>();
  for (const at of reachable([t])) {
    const { op, shape, dtype } = at;
    if (op === constantOp) values.set(at, constantNumbers(at));
    else if ((op.kind !== "view" && !exact.has(op.name)) || op.evaluate === undefined) return undefined;
    else {
      const inputs = at.inputs.map((x) => values.get(x) as HostTensorData);
      values.set(at, { data: rounded(op.evaluate(inputs, at)), shape, dtype });
    }
  }
  return tensor((values.get(t) as HostTensorData).data, t.shape, t.dtype);
};
