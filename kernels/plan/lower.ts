import { DeviceError, isHalf, type ReduceName, reachable, sameShape, sizeOf, type Tensor } from "../../core/index.js";
import { type Access, accessor, isSeenThrough } from "./access/access.js";
import { homesOf, regionsOf } from "./access/homes.js";
import { contiguous, isContiguous, type Strided, sliceView } from "./access/strided.js";
import { expressionOf } from "./expression.js";
import { fuse } from "./fuse.js";
import { standIn } from "./remake.js";
import { literalOf } from "./simplify.js";
import type { Abilities, Step } from "./steps.js";

/** A step over bases, before they have buffers. */
export type BaseStep = Step<Access>;

/** A step with the bases it reads and writes, and its place in the program as written. */
export interface Lowered {
  readonly step: BaseStep;
  readonly reads: readonly Tensor[];
  readonly writes: readonly Tensor[];
  readonly key: number;
  /** Does it write over what another step wrote? */
  readonly isOver?: boolean;
}

/** A simplified graph as unordered steps. `results` says which base holds each program output, contiguous from its start. */
export interface Lowering {
  readonly steps: readonly Lowered[];
  readonly results: readonly Tensor[];
}

const identityAxes = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);

/** Turns a simplified graph into steps. A donated input that is a result stays where it is. */
export const lower = (
  outputs: readonly Tensor[],
  { maxBuffers, epilogue = false, reads16 = () => false }: Pick<Abilities, "maxBuffers" | "epilogue" | "reads16">,
  donated: ReadonlySet<Tensor> = new Set(),
): Lowering => {
  const order = reachable(outputs);
  const access = accessor();
  const { absorbed, groups } = fuse(outputs, access, maxBuffers, epilogue);
  const steps: Lowered[] = [];
  const push = (step: BaseStep, reads: readonly Access[], writes: readonly Tensor[], key: number, isOver?: boolean) => {
    if (writes.some((t) => sizeOf(t.shape) > 0))
      steps.push({ step, reads: reads.map((r) => r.base), writes, key, isOver });
  };
  const homes = homesOf(order, new Set(outputs), access, new Set(groups.flatMap(({ written }) => written)));
  /** Where a value is written: in memory of its own, or where it is a part of. */
  const homeOf = (t: Tensor): Access => homes.get(t) ?? { base: t, view: contiguous(t.shape) };

  /** What is computed on the fly for a step that reads `top`. */
  const absorbedBelow = (top: Tensor): Set<Tensor> => {
    const inside = new Set<Tensor>(absorbed.has(top) ? [top] : []);
    for (const t of inside) for (const x of t.inputs) if (absorbed.has(x)) inside.add(x);
    return inside;
  };
  /** One map step that computes tensors of one shape (and what is absorbed below them) into regions of `target`. */
  const writeRegions = (
    tops: readonly Tensor[],
    target: Tensor,
    regions: readonly Strided[],
    key: number,
    isOver?: boolean,
  ) => {
    const [{ shape }] = tops;
    if (sizeOf(shape) === 0) return;
    const inside = new Set(tops.flatMap((top) => [...absorbedBelow(top)]));
    const { body, loads, values } = expressionOf(tops, inside, access, identityAxes(shape.length));
    const outs = tops.map((top, i) => ({
      ...{ value: values.get(top) as number, view: { base: target, view: regions[i] }, dtype: top.dtype },
    }));
    push({ kind: "map", shape, inputs: loads, body, outputs: outs }, loads, [target], key, isOver);
  };
  const writeRegion = (top: Tensor, target: Tensor, region: Strided, key: number) =>
    writeRegions([top], target, [region], key);
  /** Are these the results of one computation, as the halves of a rotation are: of one shape, from the same memory? */
  const areOne = (parts: readonly Tensor[]): boolean => {
    const basesOf = (top: Tensor) => {
      const inside = absorbedBelow(top);
      const leaves = [...inside].flatMap((t) => t.inputs.filter((x) => !inside.has(x) && literalOf(x) === undefined));
      return new Set(leaves.map((x) => access(x).base));
    };
    const [first, ...others] = parts.map(basesOf);
    return (
      first.size > 0 &&
      parts.every(({ shape, dtype }) => sameShape(shape, parts[0].shape) && !isHalf(dtype)) &&
      others.every((bases) => bases.size === first.size && [...bases].every((base) => first.has(base)))
    );
  };

  const copies = new Map<Tensor, Tensor>();
  /** A contiguous copy of a tensor as a base of its own; made once. */
  const copied = (t: Tensor, key: number): Tensor => {
    const known = copies.get(t);
    if (known !== undefined) return known;
    const base = standIn(t);
    copies.set(t, base);
    writeRegion(t, base, contiguous(t.shape), key);
    return base;
  };
  /** The tensor as a memory view; an iota, which is no memory, is written out. */
  const inMemory = (t: Tensor, key: number): Access =>
    access(t).base.op.name === "iota" ? { base: copied(t, key), view: contiguous(t.shape) } : access(t);
  const dense = (t: Tensor, key: number, canBe16: boolean): Access => {
    const seen = inMemory(t, key);
    return isContiguous(seen.view) && (canBe16 || !isHalf(seen.base.dtype))
      ? seen
      : { base: copied(t, key), view: contiguous(t.shape) };
  };

  for (const { nodes, written } of groups) {
    const [{ shape }] = nodes;
    const { body, loads, values } = expressionOf(written, new Set(nodes), access, identityAxes(shape.length));
    const outs = written.map((t) => ({ value: values.get(t) as number, view: homeOf(t), dtype: t.dtype }));
    const bases = [...new Set(outs.map(({ view }) => view.base))];
    push({ kind: "map", shape, inputs: loads, body, outputs: outs }, loads, bases, nodes[nodes.length - 1].id);
  }

  for (const t of order) {
    const key = t.id;
    if (t.op.kind === "reduce") {
      const [x] = t.inputs;
      const axes = t.attrs.axes as number[];
      const keptAxes = identityAxes(x.shape.length).filter((axis) => !axes.includes(axis));
      const { body, loads, values } = expressionOf([x], absorbedBelow(x), access, [...keptAxes, ...axes]);
      const step: BaseStep = {
        kind: "reduce",
        reduce: t.op.name as ReduceName,
        dtype: t.dtype,
        kept: keptAxes.map((axis) => x.shape[axis]),
        reduced: axes.map((axis) => x.shape[axis]),
        inputs: loads,
        body,
        value: values.get(x) as number,
        output: homeOf(t),
      };
      push(step, loads, [step.output.base], key);
    } else if (t.op.kind === "matmul") {
      const [a, b] = t.inputs.map((x) => inMemory(x, key));
      const dtypes = [a.base.dtype, b.base.dtype] as const;
      const operands = t.attrs.operands === "f16" ? { operands: "f16" as const } : {};
      const output = homeOf(t);
      push({ kind: "matmul", a, b, dtypes, ...operands, output }, [a, b], [output.base], key);
    } else if (t.op.kind === "index" || t.op.kind === "fused") {
      const inputs = t.inputs.map((x) => dense(x, key, reads16(t.op.name)));
      const dtypes = inputs.map(({ base }) => base.dtype);
      const output = homeOf(t);
      push({ kind: "call", name: t.op.name, inputs, dtypes, attrs: t.attrs, output }, inputs, [output.base], key);
    } else if (t.op.name === "concat") {
      const regions = regionsOf(t);
      const copied = t.inputs.flatMap((part, i) => {
        const { base } = access(part);
        return homes.get(base)?.base === t ? [] : [{ part, region: regions[i] }];
      });
      const parts = copied.map(({ part }) => part);
      if (parts.length > 1 && areOne(parts))
        writeRegions(
          parts,
          t,
          copied.map(({ region }) => region),
          key,
        );
      else for (const { part, region } of copied) writeRegion(part, t, region, key);
    } else if (t.op.name === "pad") {
      const [x] = t.inputs;
      const zero = { op: "constant", value: 0, dtype: t.dtype } as const;
      const everywhere = { value: 0, view: { base: t, view: contiguous(t.shape) }, dtype: t.dtype };
      push({ kind: "map", shape: t.shape, inputs: [], body: [zero], outputs: [everywhere] }, [], [t], key);
      writeRegions([x], t, [sliceView(contiguous(t.shape), t.attrs.low as number[], x.shape)], key, true);
    } else if (isSeenThrough(t) && access(t).base === t) {
      // A reshape that strides cannot express: copy its input in row-major order.
      const [x] = t.inputs;
      writeRegion(x, t, contiguous(x.shape), key);
    } else if (t.op.kind !== "pointwise" && t.op.kind !== "view" && t.op.kind !== "leaf")
      throw new DeviceError(`plan: op ${t.op.name} has no lowering`);
  }

  const taken = new Set<Tensor>();
  const results = outputs.map((t) => {
    const { base, view } = access(t);
    const whole = isContiguous(view) && view.offset === 0 && sizeOf(base.shape) === sizeOf(t.shape);
    const isSame = whole && base.dtype === t.dtype;
    const own = (base.op.kind !== "leaf" && base.op.name !== "iota") || donated.has(base);
    if (isSame && own && !taken.has(base)) {
      taken.add(base);
      return base;
    }
    const copy = standIn(t);
    // As soon as it is there, so that what it is a part of may go; what was given is read in place at the end.
    writeRegion(t, copy, contiguous(t.shape), base.op.kind === "leaf" ? Number.MAX_SAFE_INTEGER : t.id);
    return copy;
  });
  return { steps, results };
};
