import { debugs } from "./debug.js";
import type { Buffer, Device, Program } from "./device.js";
import { OwnershipError, ShapeError } from "./errors.js";
import { expand, rewrite } from "./expand.js";
import { constantData, constantOp, inputOp, placeholder, scalar, storedOp } from "./ops/leaf.js";
import { printGraph, typeOf } from "./print.js";
import { bufferOf, isConcrete, release, storedTensor } from "./stored.js";
import { isTensor, reachable, type Tensor } from "./tensor.js";
import { leaves, type Tree, treeKey, treeMap, unflatten } from "./tree.js";

/** What a caller may pass for a traced argument: a number stands for an f32 scalar. Numbers are data, never structure. */
export type Given<P> = P extends Tensor
  ? Tensor | number
  : P extends object
    ? { readonly [K in keyof P]: Given<P[K]> }
    : never;

export interface CompileOptions {
  /** Positions of arguments whose buffers the call takes over; touching them afterwards throws. */
  readonly donate?: readonly number[];
  /** Shown in errors. */
  readonly name?: string;
}

/** A function that is traced and planned once for each structure of its arguments, and replayed after that. */
export interface Compiled<P extends readonly unknown[], T extends Tree> {
  (...args: { [K in keyof P]: Given<P[K]> }): T;
  /** Programs built so far, one for each structure of arguments. */
  readonly programs: () => readonly Program[];
}

interface Trace {
  readonly program: Program;
  /** Stored tensors that the function captured: bound at every call. */
  readonly captured: readonly Tensor[];
  /** The result's structure; of its graph nothing is kept. */
  readonly result: Tree;
}

const toTree = (arg: unknown): Tree => {
  if (typeof arg === "number") return scalar(arg);
  if (isTensor(arg)) return arg;
  if (Array.isArray(arg)) return arg.map(toTree);
  if (typeof arg === "object" && arg !== null)
    return Object.fromEntries(Object.entries(arg).map(([name, part]) => [name, toTree(part)]));
  throw new ShapeError(`compiled function: an argument holds a ${typeof arg}`, "pass tensors and numbers");
};

const traceWith = (fn: (...args: Tree[]) => Tree, args: readonly Tree[], device: Device, name: string): Trace => {
  const placeholders = treeMap((t) => placeholder(t.shape, t.dtype), args);
  const result = fn(...placeholders);
  const inputs = leaves(placeholders);
  const graph = expand(leaves(result), (op) => op.kind !== "closure"); // brings to light what closures captured
  const order = reachable(graph);
  const own = new Set(inputs);
  const foreign = order.find((t) => t.op === inputOp && !own.has(t));
  if (foreign !== undefined)
    throw new OwnershipError(
      `${name}(…): uses ${typeOf(foreign)}, an argument of another function that was kept from its trace`,
      "return it there, and pass the result in",
    );
  const captured = order.filter((t) => t.op === storedOp);
  const stand = new Map(captured.map((t) => [t, placeholder(t.shape, t.dtype)]));
  const outputs = rewrite(graph, (t) => stand.get(t));
  if (debugs("graph")) console.error(printGraph(outputs));
  const program = device.build({ inputs: [...inputs, ...stand.values()], outputs });
  return { program, captured, result: treeMap((t) => placeholder(t.shape, t.dtype), result) };
};

/**
 * Compiles a function of tensor trees for a device: traced once for each structure of arguments, then replayed. The result
 * belongs to the caller (dispose it, or donate it to the next call).
 * Errors: OwnershipError if an argument has no numbers, is gone, or lies on another device.
 */
export const compile = <P extends unknown[], T extends Tree>(
  fn: (...args: P) => T,
  device: Device,
  options: CompileOptions = {},
): Compiled<P, T> => {
  const traces = new Map<string, Trace>();
  const name = options.name ?? (fn.name || "compiled function");
  const donated = new Set(options.donate ?? []);

  const call = (...args: readonly unknown[]): T => {
    const trees = args.map(toTree);
    const given = leaves(trees);
    const unknown = given.find((t) => !isConcrete(t));
    if (unknown !== undefined)
      throw new OwnershipError(
        `${name}(…): an argument ${typeOf(unknown)} is an uncomputed ${unknown.op.name}`,
        "evaluate it first, or compute it inside the compiled function",
      );
    const structure = treeKey(trees);
    let trace = traces.get(structure);
    if (trace === undefined) {
      trace = traceWith(fn as unknown as (...args: Tree[]) => Tree, trees, device, name);
      traces.set(structure, trace);
    }
    const uploaded: Tensor[] = [];
    const bind = (t: Tensor) => {
      if (t.op !== constantOp) return bufferOf(t, device, name);
      const { data, shape, dtype } = constantData(t);
      const here = storedTensor(device, device.upload(data, shape, dtype), shape, dtype);
      uploaded.push(here);
      return bufferOf(here, device, name);
    };
    let outputs: Buffer[];
    try {
      outputs = trace.program.run([...given, ...trace.captured].map(bind));
    } finally {
      for (const t of uploaded) release(t, "disposed of", "after the call");
    }
    trees.forEach((tree, i) => {
      if (donated.has(i)) for (const t of leaves(tree)) release(t, "donated", `to ${name}(…), argument ${i}`);
    });
    const nodes = leaves(trace.result);
    return unflatten(
      trace.result as T,
      outputs.map((buffer, i) => storedTensor(device, buffer, nodes[i].shape, nodes[i].dtype)),
    );
  };
  return Object.assign(call, { programs: () => [...traces.values()].map((trace) => trace.program) });
};

/** Computes a tree of tensors on a device; the caller owns the result. For one-off values: nothing is kept for next time. */
export const evaluate = <T extends Tree>(tree: T, device: Device): T => {
  const { program, captured, result } = traceWith(() => tree, [], device, "evaluate");
  let outputs: Buffer[];
  try {
    outputs = program.run(captured.map((t) => bufferOf(t, device, "evaluate")));
  } finally {
    program.free();
  }
  const nodes = leaves(result);
  return unflatten(
    tree,
    outputs.map((buffer, i) => storedTensor(device, buffer, nodes[i].shape, nodes[i].dtype)),
  );
};
