/// <reference lib="esnext.disposable" preserve="true" />
import type { DType, HostData } from "./dtype.js";
import { ShapeError } from "./errors.js";
import { manners } from "./manners.js";
import type { Shape } from "./shape.js";

/** What an op needs besides tensors: axes, sizes, constants. Part of a program's structure. */
export type Attrs = Readonly<Record<string, unknown>>;

/** How the planner may treat an op. */
export type OpKind =
  | "leaf" // numbers from outside: constant, input, stored
  | "pointwise" // one output element from the same element of every input
  | "reduce"
  | "view" // no arithmetic: every output element is one input element, or zero
  | "matmul"
  | "index" // gather, scatterAdd, topkMask, topkCut
  | "fused" // declared by its expansion
  | "closure" // a function of the caller's, with whatever it captured: expanded as soon as a graph is traced
  | "loop" // a graph that runs again and again: a program of its own
  | "part" // one of several results
  | "marker"; // identity for numbers; means something to grad or to the planner

/** Numbers on the host with their shape: what op definitions are written in. */
export interface HostTensorData {
  readonly data: HostData;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A tensor for a batch of examples: [B, …] if it differs from one to the other, else the one that all have. */
export interface Batched {
  readonly x: Tensor;
  readonly isBatched: boolean;
}

/** What rules for batches work with. */
export interface Batching {
  /** B, how many examples. */
  readonly size: number;
  /** As [B, …], whatever it is. */
  readonly each: (some: Batched) => Tensor;
  /** A graph over the batch; `isClosed` if it depends on nothing but what `stands` has. */
  readonly graph: (outputs: readonly Tensor[], stands: ReadonlyMap<Tensor, Batched>, isClosed: boolean) => Batched[];
}

/** Everything known about one op: shape rule, definition, gradient, batches. The one place to look. */
export interface Op {
  readonly name: string;
  readonly kind: OpKind;
  /** The definition, in f64. Absent for leaves (they hold numbers) and fused ops (their expansion defines them). */
  readonly evaluate?: (inputs: readonly HostTensorData[], node: Tensor) => HostData;
  /** Fused ops, and others where a device may do without a kernel: the same value from simpler ops. `has`: which fused ops have kernels. */
  readonly expand?: (node: Tensor, inputs: readonly Tensor[], has?: (name: string) => boolean) => Tensor;
  /** Cotangents of the inputs from the output's; null where no gradient flows. Absent: no gradient flows at all. */
  readonly vjp?: (ct: Tensor, inputs: readonly Tensor[], out: Tensor) => readonly (Tensor | null)[];
  /** The same of an op with several results: a cotangent of each that has one. Inputs that are not `wanted` may be null. */
  readonly vjpOfParts?: (
    cts: readonly (Tensor | undefined)[],
    inputs: readonly Tensor[],
    out: Tensor,
    wanted: (input: number) => boolean,
  ) => readonly (Tensor | null)[];
  /** Of an op that holds graphs of its own: the node over other inputs, its graphs as `rewrite` has them; undefined if they stay as they are. */
  readonly remake?: (
    node: Tensor,
    inputs: readonly Tensor[],
    rewrite: (outputs: readonly Tensor[]) => readonly Tensor[],
  ) => Tensor | undefined;
  /** The op over a batch of examples, of which at least one input has some: [B, …of.shape]. Absent or undefined: by its kind. */
  readonly batch?: (inputs: readonly Batched[], of: Tensor, batching: Batching) => Tensor | undefined;
}

/** A frozen node of a graph. Everything else is a pure function of graphs. */
export interface Tensor {
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attrs: Attrs;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Creation number: inputs are created before their users, so sorting by it is a topological order. */
  readonly id: number;
  /** One line: dtype, shape, where it lies, and the numbers of a constant. In expressions a tensor is no text: this throws. */
  toString(): string;
  /** For `using y = f(x)`: gives a stored tensor's memory back at the end of the block. */
  [Symbol.dispose](): void;
}

let created = 0;
/** Marks what node made. Inherited, not a WeakSet: steps make thousands of nodes, and sets of objects are slow. */
const brand = Symbol("tensor");

/** A class, though it has no methods but what all tensors inherit: engines make and read no other objects as fast. */
class TensorNode {
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attrs: Attrs;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly id: number;
  constructor(op: Op, inputs: readonly Tensor[], attrs: Attrs, shape: Shape, dtype: DType) {
    this.op = op;
    this.inputs = Object.freeze([...inputs]);
    this.attrs = Object.freeze(attrs);
    this.shape = Object.isFrozen(shape) ? shape : Object.freeze([...shape]);
    this.dtype = dtype;
    this.id = created++;
    Object.freeze(this);
  }
}
Object.defineProperties(TensorNode.prototype, {
  ...Object.getOwnPropertyDescriptors(manners),
  [brand]: { value: true },
});

/** Makes a node. Ops call this; users call ops. */
export const node = (op: Op, inputs: readonly Tensor[], attrs: Attrs, shape: Shape, dtype: DType): Tensor =>
  new TensorNode(op, inputs, attrs, shape, dtype) as unknown as Tensor;

/** Is it a tensor? */
export const isTensor = (value: unknown): value is Tensor =>
  typeof value === "object" && value !== null && brand in value;

/**
 * Every node that the outputs depend on, inputs before users; not `known` ones, nor what only these depend on. Iterative:
 * graphs are deeper than the stack. Of any shape [...S]. Errors: ShapeError unless outputs are an array of tensors.
 */
export const reachable = (outputs: readonly Tensor[], known?: { has(t: Tensor): boolean }): Tensor[] => {
  if (!Array.isArray(outputs) || !outputs.every(isTensor))
    throw new ShapeError("reachable(…): outputs are no array of tensors", "write [x, y, …]");
  const [first] = outputs;
  // Nearly always when a graph is rewritten: one node, of which all else is known.
  if (outputs.length === 1 && known?.has(first) === false && first.inputs.every((x) => known.has(x))) return [first];
  const seen = new Set<Tensor>(known === undefined ? outputs : outputs.filter((t) => !known.has(t)));
  const stack = [...seen];
  for (let next = stack.pop(); next !== undefined; next = stack.pop())
    for (const input of next.inputs)
      if (!seen.has(input) && known?.has(input) !== true) {
        seen.add(input);
        stack.push(input);
      }
  return [...seen].sort((a, b) => a.id - b.id);
};
