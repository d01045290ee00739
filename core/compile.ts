import { knownConstant } from "./constants.js";
import { debugs } from "./debug.js";
import type { Buffer, Device, Program } from "./device.js";
import { byteLength } from "./dtype.js";
import { OwnershipError, ShapeError } from "./errors.js";
import { rewrite } from "./expand.js";
import { expects } from "./expects.js";
import { constantData, constantOp, inputOp, placeholder, scalar, storedOp } from "./ops/leaf.js";
import { remakeLoop } from "./ops/loop.js";
import { partOp, resolved } from "./ops/parts.js";
import { printGraph, typeOf } from "./print.js";
import { sizeOf } from "./shape.js";
import {
  bufferOf,
  dispose,
  isConcrete,
  mustBeOpen,
  release,
  storedTensor,
  surrender,
  upload,
} from "./storage/stored.js";
import { gather, rebuild, type Structure, structureOf } from "./structure.js";
import { isTensor, reachable, type Tensor } from "./tensor.js";
import { isRecord, leaves, leavesOf, type Tree, treeMap, unflatten } from "./tree.js";

/** What a caller may pass for a traced argument: a number stands for an f32 scalar. Numbers are data, never structure. */
export type Given<P> = P extends Tensor
  ? Tensor | number
  : P extends object
    ? { readonly [K in keyof P]: Given<P[K]> }
    : never;

/** How a function is compiled. */
export interface CompileOptions {
  /** Positions of arguments whose buffers the call takes over; touching them afterwards throws. */
  readonly donate?: readonly number[];
  /** Shown in errors. */
  readonly name?: string;
  /** Most programs that are kept, one for each structure of arguments; the one used longest ago goes first. Default: 256. */
  readonly maxPrograms?: number;
}

/** So many structures of arguments are rarely meant. */
const MANY = 50;

/** A function that is traced and planned once for each structure of its arguments, and replayed after that. */
export interface Compiled<P extends readonly unknown[], T extends Tree> {
  (...args: { [K in keyof P]: Given<P[K]> }): T;
  /** Programs built so far, one for each structure of arguments. */
  readonly programs: () => readonly Program[];
}

/** A function traced for one structure of its arguments. */
interface Trace {
  readonly program: Program;
  /** Stored tensors that the function captured: bound at every call. */
  readonly captured: readonly Tensor[];
  /** Donated inputs, in order, and the arguments that they belong to. */
  readonly donated: readonly { readonly input: number; readonly argument: number }[];
  /** Structures of arguments and result; of the graph nothing is kept. */
  readonly given: Structure;
  readonly result: Structure;
}

const toTree = (arg: unknown): Tree => {
  if (typeof arg === "number") return scalar(arg);
  if (isTensor(arg)) return arg;
  if (Array.isArray(arg)) return arg.map(toTree);
  if (isRecord(arg)) return Object.fromEntries(Object.entries(arg).map(([name, part]) => [name, toTree(part)]));
  const what = typeof arg === "object" && arg !== null ? arg.constructor.name : typeof arg;
  throw new ShapeError(`compiled function: an argument holds a ${what}`, "pass tensors and numbers");
};

const traceWith = (
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
    if (t.op.kind === "loop") return remakeLoop(t, given, openAll);
    return t.op.kind === "closure" ? t.op.expand?.(t, given) : undefined;
  };
  const openAll = (of: readonly Tensor[]) => rewrite(of, open, Number.POSITIVE_INFINITY);
  const outputs = openAll(leavesOf(`${name}(…), its result`, result));
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
  };
};

/** Does a donated tensor come twice? Its memory cannot be written while the other is read. */
const isDonatedTwice = (given: readonly Tensor[], { donated, captured }: Trace): boolean => {
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

/**
 * Compiles a function of tensor trees for a device: traced once for each structure of arguments, then replayed. The result
 * belongs to the caller (dispose it, or donate it to the next call).
 * Arguments are stored tensors, numbers, and constants such as `zeros(…)`.
 * Errors: OwnershipError if an argument has no numbers, is gone, or lies on another device.
 * @example compile((x: Tensor) => mul(x, 2), device)(tensor([1, 2])) // [2, 4]
 */
export const compile = <P extends unknown[], T extends Tree>(
  fn: (...args: P) => T,
  device: Device,
  options: CompileOptions = {},
): Compiled<P, T> => {
  expects("compile", "function any {donate,name:text,maxPrograms:integer}", fn, device, options);
  const name = options.name ?? (fn.name || "compiled function");
  const { maxPrograms = 256 } = options;
  if (!(Number.isInteger(maxPrograms) && maxPrograms > 0))
    throw new ShapeError(`compile(${name}): maxPrograms ${maxPrograms} is not an integer above 0`);
  const places = options.donate ?? [];
  if (!Array.isArray(places) || places.some((n) => !Number.isInteger(n) || n < 0))
    throw new ShapeError(
      `compile(${name}): donate ${JSON.stringify(places)} is no list of positions`,
      "write { donate: [0] }",
    );
  let built = 0;
  const donated = new Set(places);
  const traces: Trace[] = [];
  /** Without donation: for calls that pass a donated tensor twice. */
  const careful: Trace[] = [];

  /** The trace for arguments of this structure, with their leaves. Nearly always it is the one used last, which is first. */
  const find = (known: Trace[], args: readonly unknown[]) => {
    for (const [i, trace] of known.entries()) {
      const given = gather(args, trace.given);
      if (given === undefined) continue;
      if (i > 0) known.unshift(...known.splice(i, 1));
      return { trace, given };
    }
    return undefined;
  };
  /** Structures that are being traced. */
  const open: Structure[] = [];
  const traceNew = (known: Trace[], args: readonly unknown[]): Trace => {
    if (open.some((structure) => gather(args, structure) !== undefined))
      throw new OwnershipError(
        `${name}(…): calls itself with arguments of the structure that it is being traced for`,
        "call the function that was compiled instead, and compute what is to end it from shapes",
      );
    const missing = places.find((n) => n >= args.length);
    if (missing !== undefined)
      throw new ShapeError(
        `${name}(…): donate names argument ${missing} of a function that was called with ${args.length}`,
        args.length === 0 ? "leave donate out" : `arguments are counted from 0: 0 … ${args.length - 1}`,
      );
    const donates = (argument: number) => known === traces && donated.has(argument);
    const given = args.map(toTree);
    open.push(structureOf(given));
    try {
      const trace = traceWith(fn as unknown as (...args: Tree[]) => Tree, given, device, name, donates);
      known.unshift(trace);
      if (known.length > maxPrograms) known.pop()?.program.free();
      if (++built === MANY)
        console.error(
          `taugrad: ${name} was planned for its ${MANY}th structure of arguments, ${leaves(given).map(typeOf).join(", ").slice(0, 120)}: ` +
            `each is a program of its own, and ${maxPrograms} are kept; pad what varies to a few sizes`,
        );
      return trace;
    } finally {
      open.pop();
    }
  };

  const call = (...args: readonly unknown[]): T => {
    const found = find(traces, args);
    const asked = found?.given ?? leaves(args.map(toTree));
    const given = asked.every(isConcrete) ? asked : asked.map((t) => (isConcrete(t) ? t : (knownConstant(t) ?? t)));
    const unknown = given.find((t) => !isConcrete(t));
    if (unknown !== undefined)
      throw new OwnershipError(
        `${name}(…): an argument ${typeOf(unknown)} is an uncomputed ${unknown.op.name}`,
        "evaluate it first, or compute it inside the compiled function",
      );
    mustBeOpen(device, `${name}(…)`);
    const usual = found?.trace ?? traceNew(traces, args);
    const isTwice = isDonatedTwice(given, usual);
    const { program, captured, result } = isTwice ? (find(careful, args)?.trace ?? traceNew(careful, args)) : usual;
    const uploaded = new Set<Buffer>();
    const bind = (t: Tensor): Buffer => {
      if (t.op !== constantOp) return bufferOf(t, device, name);
      const { data, shape, dtype } = constantData(t);
      const buffer = device.upload(data, shape, dtype);
      uploaded.add(buffer);
      return buffer;
    };
    let outputs: Buffer[];
    try {
      const buffers = [...given, ...captured].map(bind);
      outputs = program.run(buffers);
      if (!isTwice) for (const { input } of usual.donated) uploaded.delete(buffers[input]);
    } finally {
      for (const buffer of uploaded) device.free(buffer);
    }
    const end = isTwice ? release : surrender;
    for (const { input, argument } of usual.donated)
      end(given[input], "donated", `to ${name}(…), argument ${argument}`);
    return rebuild(result, (leaf, i) => storedTensor(device, outputs[i], leaf.shape, leaf.dtype)) as T;
  };
  return Object.assign(call, { programs: () => [...traces, ...careful].map(({ program }) => program) });
};

/**
 * Computes a tree of tensors on a device; the caller owns the result. For one-off values: nothing is kept for next time.
 * @example evaluate(add(tensor([1, 2]), 1), device) // [2, 3]
 */
export const evaluate = <T extends Tree>(tree: T, device: Device): T => {
  const { program, captured, result } = traceWith(() => tree, [], device, "evaluate");
  let outputs: Buffer[];
  try {
    outputs = program.run(captured.map((t) => bufferOf(t, device, "evaluate")));
  } finally {
    program.free();
  }
  return rebuild(result, (leaf, i) => storedTensor(device, outputs[i], leaf.shape, leaf.dtype)) as T;
};

/** Bytes of leaves that `evaluateEach` computes at a time: a large one alone, small ones together. */
const TOGETHER = 2 ** 22;

/** Neighbours of at most `TOGETHER` bytes in all, or single ones: what is larger, and constants. */
const groupsOf = (all: readonly Tensor[]): Tensor[][] => {
  const groups: Tensor[][] = [];
  let room = -1;
  for (const leaf of all) {
    const isConstant = leaf.op === constantOp;
    const bytes = byteLength(leaf.dtype, sizeOf(leaf.shape));
    if (bytes <= room && !isConstant) groups[groups.length - 1].push(leaf);
    else {
      groups.push([leaf]);
      room = TOGETHER;
    }
    room = isConstant ? -1 : room - bytes;
  }
  return groups;
};

/**
 * As `evaluate`, a large leaf or a few small ones (4 MiB in all) at a time: beside the results only their inputs and intermediate
 * values are in memory. For trees as large as a model. What leaves have in common is computed for each group.
 */
export const evaluateEach = <T extends Tree>(tree: T, device: Device): T => {
  mustBeOpen(device, "evaluateEach");
  const made: Tensor[] = [];
  try {
    for (const group of groupsOf(leavesOf("evaluateEach", tree)))
      made.push(...(group[0].op === constantOp ? upload(group, device) : evaluate(group, device)));
  } catch (error) {
    dispose(made);
    throw error;
  }
  return unflatten(tree, made);
};
