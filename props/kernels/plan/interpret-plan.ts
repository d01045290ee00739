import * as t from "../../../core/index.js";
import { node } from "../../../core/tensor.js";
import type { Instruction, Plan, View } from "../../../kernels/plan/steps.js";

/** Records of the pointwise ops by name, taken from nodes. */
const records = (() => {
  const [f, b, u] = [t.scalar(1), t.scalar(1, "bool"), t.scalar(1, "u32")];
  const unary = [t.neg, t.abs, t.sign, t.floor, t.exp, t.log, t.sqrt, t.rsqrt, t.sin, t.cos, t.tanh, t.erf, t.sigmoid];
  const binary = [t.add, t.sub, t.mul, t.div, t.maximum, t.minimum, t.less, t.lessEqual, t.equal];
  const nodes = [
    ...unary.map((op) => op(f)),
    t.softplus(f),
    ...binary.map((op) => op(f, f)),
    t.and(b, b),
    t.or(b, b),
    t.not(b),
    t.where(b, f, f),
    t.cast(f, "i32"),
    t.roundRandom(f, u, "bf16"),
    t.randomBits(u, u, u, 0),
    t.unitInterval(u),
    t.gather(t.ones([1]), t.scalar(0, "i32")),
    t.scatterAdd(t.scalar(0, "i32"), f, 1),
    t.addRows(t.ones([1]), t.scalar(0, "i32"), f),
    t.topkMask(f, 1),
  ];
  return new Map(
    t.reachable([...nodes, ...t.expand([t.topkMask(t.ones([2]), 1)])]).map((x) => [x.op.name as string, x.op]),
  );
})();

/** Records of the fused ops and of their gradients, taken from nodes. */
const fusedRecords = (() => {
  const x = t.tensor([[1, 2]]);
  const heads = t.tensor([[[[1, 2]]]]);
  const angle = t.tensor([[[1]]]);
  const position = t.tensor([[0]], undefined, "i32");
  const nodes = [
    t.softmax(x),
    t.rmsnorm(x, t.tensor([1, 1]), 1),
    t.swiglu(x, x),
    t.rope(heads, angle, angle),
    t.attention(heads, heads, heads, position, 1),
    t.crossEntropy(x, t.tensor([0], undefined, "i32")),
    t.tokenScores(x, t.tensor([0], undefined, "i32")).inputs[0],
  ];
  const gradients = nodes.map(
    (y) =>
      t.vjp((z: t.Tensor) => node(y.op, [z, ...y.inputs.slice(1)], y.attrs, y.shape, y.dtype), y.inputs[0])[1](y)[0],
  );
  const ops = t
    .reachable(gradients)
    .map(({ op }) => op)
    .concat(nodes.map(({ op }) => op));
  return new Map(ops.filter((op) => op.expand !== undefined).map((op) => [op.name, op]));
})();

/** What calls give that is no f32. */
const RESULTS: Record<string, t.DType> = { topkMask: "bool", topkCut: "u32" };

/** Names of the fused ops and their gradients that a device may have kernels for. */
export const fusedNames: readonly string[] = [...fusedRecords.keys()];

/** A node's numbers from its op's definition, or from its expansion; inputs are constants. */
const numbersOf = (out: t.Tensor): t.HostData => {
  const [top] = t.expand([out]);
  const values = new Map<t.Tensor, t.HostTensorData>();
  for (const x of t.reachable([top])) {
    if (x.op.name === "constant") values.set(x, t.constantData(x));
    else {
      const inputs = x.inputs.map((input) => values.get(input) as t.HostTensorData);
      const data = (x.op.evaluate as NonNullable<t.Op["evaluate"]>)(inputs, x);
      values.set(x, { data, shape: x.shape, dtype: x.dtype });
    }
  }
  return (values.get(top) as t.HostTensorData).data;
};

/** What an op's record sees of a stored input. */
const seenAs = (dtype: t.DType): t.DType => (t.isHalf(dtype) ? "f32" : dtype);

/** Offsets of a view's elements in row-major order. */
const offsets = ({ shape, strides, offset }: Pick<View, "shape" | "strides" | "offset">): number[] => {
  let out = [offset];
  shape.forEach((n, axis) => {
    out = out.flatMap((at) => Array.from({ length: n }, (_, i) => at + i * strides[axis]));
  });
  return out;
};

/** Runs a plan step by step in f64, memory element by element whatever their bytes: the planner's own test, without any device. Temporaries start as garbage. */
export const interpretPlan = (plan: Plan, inputs: readonly t.HostData[]): t.HostData[] => {
  const slots = plan.slots.map((bytes) => new Float64Array(bytes / 2).fill(12345.678));
  const memory: Float64Array[] = [];
  const memoryOf = ({ role, bytes, dtype }: Plan["buffers"][number]): Float64Array => {
    if (role.kind === "input") {
      const given = new Float64Array(bytes / 2); // room for twice as many 16-bit numbers, once it is donated
      given.set(inputs[role.index]);
      return given;
    }
    if (role.kind === "constant") return Float64Array.from(t.numbersOf(role.data, dtype));
    if (role.kind === "output" && role.donor !== undefined)
      return memory[plan.buffers.findIndex(({ role: of }) => of.kind === "input" && of.index === role.donor)];
    if (role.kind === "output") return new Float64Array(bytes / 2).fill(Number.NaN);
    const whole = role.kind === "temporary" ? slots[role.slot] : memory[role.host];
    return whole.subarray(role.offset / 2, (role.offset + bytes) / 2);
  };
  for (const buffer of plan.buffers) memory.push(memoryOf(buffer));
  const take = (view: View) => offsets(view).map((at) => memory[view.buffer][at]);
  const wrap = (values: readonly number[], dtype: t.DType, shape: readonly number[]): t.HostTensorData => {
    const data = t.hostArray(dtype, values.length);
    data.set(values);
    return { data, shape, dtype };
  };
  const bodyValues = (
    body: readonly Instruction[],
    loads: readonly View[],
    shape: readonly number[],
    product?: t.HostTensorData,
  ) => {
    const values: t.HostTensorData[] = [];
    for (const x of body) {
      const n = t.sizeOf(shape);
      if (x.op === "load" && product !== undefined && x.input === 0) values.push(product);
      else if (x.op === "load") values.push(wrap(take(loads[x.input - (product ? 1 : 0)]), x.dtype, shape));
      else if (x.op === "constant") values.push(wrap(new Array(n).fill(x.value), x.dtype, shape));
      else if (x.op === "iota") values.push(wrap(offsets({ shape, strides: x.strides, offset: 0 }), x.dtype, shape));
      else {
        const op = records.get(x.op) as t.Op;
        const out = node(op, [], { domain: x.domain, from: x.from }, shape, x.dtype);
        const data = (op.evaluate as NonNullable<t.Op["evaluate"]>)(
          x.args.map((arg) => values[arg]),
          out,
        );
        values.push({ data, shape, dtype: x.dtype });
      }
    }
    return values;
  };
  const put = (view: View, data: ArrayLike<number>) =>
    offsets(view).forEach((at, i) => {
      memory[view.buffer][at] = data[i];
    });

  // The steps of a batch may run in any order: last to first is as good as any.
  const steps = plan.steps.flatMap((step) => (step.kind === "batch" ? [...step.steps].reverse() : [step]));
  for (const step of steps)
    switch (step.kind) {
      case "map": {
        const values = bodyValues(step.body, step.inputs, step.shape);
        for (const out of step.outputs) put(out.view, values[out.value].data);
        break;
      }
      case "reduce": {
        const { data } = bodyValues(step.body, step.inputs, [...step.kept, ...step.reduced])[step.value];
        const width = t.sizeOf(step.reduced);
        const rows = Array.from({ length: t.sizeOf(step.kept) }, (_, i) =>
          Array.from(data.slice(i * width, (i + 1) * width)),
        );
        put(
          step.output,
          wrap(
            rows.map((row) => (step.reduce === "sum" ? row.reduce((a, x) => a + x, 0) : Math.max(...row))),
            step.dtype,
            step.kept,
          ).data,
        );
        break;
      }
      case "matmul": {
        const tensors = [step.a, step.b].map((view) => t.tensor(Float64Array.from(take(view)), view.shape));
        const out = t.matmul(tensors[0], tensors[1]);
        const product = out.op.evaluate?.(out.inputs.map(t.constantData), out) as Float64Array;
        const { epilogue } = step;
        if (epilogue === undefined) put(step.output, product);
        else {
          const { shape, inputs: others, body, value } = epilogue;
          const first = { ...wrap([...product], "f32", shape) };
          put(step.output, bodyValues(body, others, shape, first)[value].data);
        }
        break;
      }
      case "call": {
        const op = records.get(step.name) ?? fusedRecords.get(step.name);
        if (op === undefined) throw new Error(`no record of ${step.name}`);
        const args = step.inputs.map((view, i) =>
          t.tensor(wrap(take(view), seenAs(step.dtypes[i]), view.shape).data, view.shape, seenAs(step.dtypes[i])),
        );
        const dtype = RESULTS[step.name] ?? (step.name === "gather" ? seenAs(step.dtypes[0]) : "f32");
        put(step.output, numbersOf(node(op, args, step.attrs, step.output.shape, dtype)));
      }
    }
  return plan.outputs.map((buffer) => memory[buffer]);
};
