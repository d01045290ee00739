import { knownConstant } from "./constants.js";
import type { Buffer, Device, Program } from "./device.js";
import { byteLength } from "./dtype.js";
import { OwnershipError, ShapeError } from "./errors.js";
import { expects } from "./expects.js";
import { constantData, constantOp } from "./ops/leaf.js";
import { typeOf } from "./print.js";
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
import type { Tensor } from "./tensor.js";
import { isDonatedTwice, type Trace, toTree, traceWith } from "./trace.js";
import { leaves, leavesOf, type Tree, unflatten } from "./tree.js";

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

/** Leaves of a result that are final, with their paths in it ("grads.w"). */
export type Told = readonly (readonly [path: string, leaf: Tensor])[];

/** A function that is traced and planned once for each structure of its arguments, and replayed after that. */
export interface Compiled<P extends readonly unknown[], T extends Tree> {
  (...args: { [K in keyof P]: Given<P[K]> }): T;
  /**
   * The same call in parts, with turns of the caller in between, where the device can: each tells of leaves that are final, once these
   * have so many bytes, or of none, so that the caller may see to something else. What was told of is the caller's, whatever becomes of
   * the call; what is donated is gone from the first part on; what else is read must stay until the end. It must be taken to its end, or
   * ended by `return`. Errors: ShapeError for bytes that are no number above 0; OwnershipError for arguments that were disposed of between
   * parts; those of the call.
   */
  readonly inParts: (bytes: number, ...args: { [K in keyof P]: Given<P[K]> }) => Generator<Told, T>;
  /** Programs built so far, one for each structure of arguments. */
  readonly programs: () => readonly Program[];
}

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

  /** A call's arguments as buffers, and the trace that it takes. */
  interface Call {
    readonly given: readonly Tensor[];
    readonly trace: Trace;
    /** Donated inputs, and whether one of them comes twice, so that nothing can lie in them. */
    readonly donated: Trace["donated"];
    readonly isTwice: boolean;
    /** Buffers of constants that are this call's own. */
    readonly uploaded: Set<Buffer>;
  }
  const begin = (args: readonly unknown[]): Call => {
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
    const trace = isTwice ? (find(careful, args)?.trace ?? traceNew(careful, args)) : usual;
    return { given, trace, donated: usual.donated, isTwice, uploaded: new Set() };
  };
  const bindAll = ({ given, trace, uploaded }: Call): Buffer[] =>
    [...given, ...trace.captured].map((t) => {
      if (t.op !== constantOp) return bufferOf(t, device, name);
      const { data, shape, dtype } = constantData(t);
      const buffer = device.upload(data, shape, dtype);
      uploaded.add(buffer);
      return buffer;
    });
  /** Donated constants are gone with the run. */
  const handOn = ({ donated, isTwice, uploaded }: Call, buffers: readonly Buffer[]): void => {
    if (!isTwice) for (const { input } of donated) uploaded.delete(buffers[input]);
  };
  const freeOwn = ({ uploaded }: Call): void => {
    for (const buffer of uploaded) device.free(buffer);
  };
  const endDonated = ({ given, donated, isTwice }: Call): void => {
    const end = isTwice ? release : surrender;
    for (const { input, argument } of donated) end(given[input], "donated", `to ${name}(…), argument ${argument}`);
  };

  const call = (...args: readonly unknown[]): T => {
    const made = begin(args);
    let outputs: Buffer[];
    try {
      const buffers = bindAll(made);
      outputs = made.trace.program.run(buffers);
      handOn(made, buffers);
    } finally {
      freeOwn(made);
    }
    endDonated(made);
    return rebuild(made.trace.result, ({ shape, dtype }, i) => storedTensor(device, outputs[i], shape, dtype)) as T;
  };
  function* parts(bytes: number, args: readonly unknown[]): Generator<Told, T> {
    const made = begin(args);
    const { program, captured, result, leaves: named } = made.trace;
    const read = new Set([...made.given, ...captured].filter((t) => t.op !== constantOp));
    const taken: Buffer[] = [];
    const told: Tensor[] = [];
    let outputs: Buffer[];
    let running: ReturnType<NonNullable<Program["inParts"]>> | undefined;
    try {
      const buffers = bindAll(made);
      running = program.inParts?.(buffers, bytes);
      let next = running?.next();
      if (next?.done === false && !made.isTwice) {
        for (const { input } of made.donated) if (read.delete(made.given[input])) taken.push(buffers[input]);
        endDonated(made);
      }
      for (; running !== undefined && next !== undefined && next.done !== true; next = running.next()) {
        yield next.value.map(({ output, buffer }) => {
          const { path, shape, dtype } = named[output];
          told[output] = storedTensor(device, buffer, shape, dtype);
          return [path, told[output]] as const;
        });
        for (const t of read) bufferOf(t, device, `${name}.inParts(…), before its next part`);
      }
      outputs = next === undefined ? program.run(buffers) : (next.value as Buffer[]);
      handOn(made, buffers);
    } finally {
      running?.return([]);
      freeOwn(made);
      for (const buffer of taken) device.free(buffer); // of no use to anybody, unless a result lies in it
    }
    endDonated(made);
    return rebuild(result, ({ shape, dtype }, i) => told[i] ?? storedTensor(device, outputs[i], shape, dtype)) as T;
  }
  return Object.assign(call, {
    inParts: (bytes: number, ...args: readonly unknown[]) => {
      if (!(typeof bytes === "number" && bytes > 0))
        throw new ShapeError(
          `${name}.inParts(${String(bytes)}, …): bytes to be told of must be a number above 0`,
          "they come first, and the arguments after them",
        );
      return parts(bytes, args);
    },
    programs: () => [...traces, ...careful].map(({ program }) => program),
  });
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
