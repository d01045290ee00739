import { debugs } from "./debug.js";
import type { Device, Program } from "./device.js";
import type { DType } from "./dtype.js";
import { OwnershipError, ShapeError } from "./errors.js";
import { rewrite } from "./expand.js";
import { inputOp, placeholder, scalar, storedOp } from "./ops/leaf.js";
import { partOp, resolved } from "./ops/parts.js";
import { printGraph, typeOf } from "./print.js";
import type { Shape } from "./shape.js";
import { mustBeOpen } from "./storage/stored.js";
import { type Structure, structureOf } from "./structure.js";
import { isTensor, reachable, type Tensor } from "./tensor.js";
import { isRecord, leaves, namedLeavesOf, type Tree, treeMap } from "./tree.js";

/** A function traced for one structure of its arguments. */
export interface Trace {
  readonly program: Program;
  /** Stored tensors that the function captured: bound at every call. */
  readonly captured: readonly Tensor[];
  /** Donated inputs, in order, and the arguments that they belong to. */
  readonly donated: readonly { readonly input: number; readonly argument: number }[];
  /** Structures of arguments and result; of the graph nothing is kept. */
  readonly given: Structure;
  readonly result: Structure;
  /** Leaves of the result with their paths, in order: what the program gives. */
  readonly leaves: readonly { readonly path: string; readonly shape: Shape; readonly dtype: DType }[];
}

/** A traced argument as a tree of tensors. Errors: ShapeError for what is none. */
export const toTree = (arg: unknown): Tree => {
  if (typeof arg === "number") return scalar(arg);
  if (isTensor(arg)) return arg;
  if (Array.isArray(arg)) return arg.map(toTree);
  if (isRecord(arg)) return Object.fromEntries(Object.entries(arg).map(([name, part]) => [name, toTree(part)]));
  const what = typeof arg === "object" && arg !== null ? arg.constructor.name : typeof arg;
  throw new ShapeError(`compiled function: an argument holds a ${what}`, "pass tensors and numbers");
};

/** Traces a function for arguments of this structure and builds its program. Errors: those of the function and of the device. */
export const traceWith = (
  fn: (...args: Tree[]) => Tree,
  args: readonly Tree[],
  device: Device,
  name: string,
  donates: (argument: number) => boolean = () => false,
): Trace => {
  mustBeOpen(device, `${name}(…)`);
  const placeholders = args.map((arg) => treeMap((t) => placeholder(t.shape, t.dtype), arg));
  const result = fn(...placeholders);
  const inputs = leaves(placeholders);
  /** Stored tensors, and the placeholders that stand for them. */
  const captured = new Map<Tensor, Tensor>();
  const capture = (t: Tensor): Tensor => {
    const stand = captured.get(t) ?? placeholder(t.shape, t.dtype);
    captured.set(t, stand);
    return stand;
  };
  // Closures open, which brings to light what they captured.
  const open = (t: Tensor, given: readonly Tensor[]): Tensor | undefined => {
    if (t.op === storedOp) return capture(t);
    if (t.op.kind === "part") return t.op === partOp ? resolved(t, given) : undefined;
    if (t.op.remake !== undefined) return t.op.remake(t, given, openAll);
    return t.op.kind === "closure" ? t.op.expand?.(t, given) : undefined;
  };
  const openAll = (of: readonly Tensor[]) => rewrite(of, open, Number.POSITIVE_INFINITY);
  const named = namedLeavesOf(`${name}(…), its result`, result);
  const outputs = openAll(named.map(([, leaf]) => leaf));
  const own = new Set([...inputs, ...captured.values()]);
  const foreign = reachable(outputs).find((t) => t.op === inputOp && !own.has(t));
  if (foreign !== undefined)
    throw new OwnershipError(
      `${name}(…): uses ${typeOf(foreign)}, an argument of another function that was kept from its trace`,
      "return it there, and pass the result in",
    );
  if (debugs("graph")) console.error(printGraph(outputs));
  const donated = placeholders
    .flatMap((arg, argument) => leaves(arg).map(() => argument))
    .flatMap((argument, input) => (donates(argument) ? [{ input, argument }] : []));
  return {
    program: device.build({
      inputs: [...inputs, ...captured.values()],
      outputs,
      donated: donated.map(({ input }) => input),
    }),
    captured: [...captured.keys()],
    donated,
    given: structureOf(placeholders),
    result: structureOf(result),
    leaves: named.map(([path, { shape, dtype }]) => ({ path, shape, dtype })),
  };
};

/** Does a donated tensor come twice? Its memory cannot be written while the other is read. */
export const isDonatedTwice = (given: readonly Tensor[], { donated, captured }: Trace): boolean => {
  if (donated.length === 0) return false;
  const seen = new Set<Tensor>();
  for (const { input } of donated) seen.add(given[input]);
  if (seen.size < donated.length || captured.some((t) => seen.has(t))) return true;
  let next = 0; // donated inputs ascend
  return given.some((t, i) => {
    if (donated[next]?.input !== i) return seen.has(t);
    next++;
    return false;
  });
};
