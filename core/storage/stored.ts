/// <reference lib="esnext.disposable" preserve="true" />
import type { Buffer, Device } from "../device.js";
import { type DType, type HostData, numbersOf } from "../dtype.js";
import { DeviceError, OwnershipError } from "../errors.js";
import { expects } from "../expects.js";
import { constantData, constantNumbers, constantOp, storedOp, tensor } from "../ops/leaf.js";
import { typeOf } from "../print.js";
import type { Shape } from "../shape.js";
import { isTensor, node, type Tensor } from "../tensor.js";
import { leavesOf, type Tree, treeMapOf, unflatten } from "../tree.js";
import { noteBirth } from "./leaks.js";
import { giveBack, type Owned } from "./owned.js";

/** Where a stored tensor's numbers are, and whether they still are. The one mutable thing in core. */
type Stored = Owned<Device, Buffer>;

/** What the scopes that are running have seen made, the innermost last. */
const scopes: Set<Tensor>[] = [];

/** A tensor whose numbers lie in a device's buffer; the caller owns it. */
export const storedTensor = (device: Device, buffer: Buffer, shape: Shape, dtype: DType): Tensor => {
  const stored: Stored = { device, buffer };
  const out = node(storedOp, [], { stored }, shape, dtype);
  noteBirth(out, stored, typeOf(out));
  scopes.at(-1)?.add(out);
  return out;
};

const storedOf = (t: Tensor): Stored | undefined => (t?.op === storedOp ? (t.attrs.stored as Stored) : undefined);

/** Is it a leaf whose numbers are at hand (stored or constant)? Of any shape [...S]. */
export const isConcrete = (t: Tensor): boolean => t?.op === storedOp || t?.op === constantOp;

/** The device that holds a tensor's numbers, if one does. Of any shape [...S]. */
export const deviceOf = (t: Tensor): Device | undefined => storedOf(t)?.device;

/** Throws unless a device can still be used. */
export const mustBeOpen = (device: Device, call: string): void => {
  if (typeof device?.isOpen !== "function")
    throw new DeviceError(
      `${call}: ${device === undefined ? "no device" : "what is no device"} is given`,
      'await open("auto") opens one',
    );
  if (!device.isOpen())
    throw new DeviceError(`${call}: the device ${device.name} is closed`, "close it last, or open another: open(…)");
};

/** The buffer of a stored tensor. Errors: OwnershipError if it is gone or lies on another device. */
export const bufferOf = (t: Tensor, device: Device, call: string): Buffer => {
  const stored = storedOf(t);
  if (stored === undefined) throw new OwnershipError(`${call}: ${typeOf(t)} has no numbers yet`, "evaluate it first");
  if (stored.end !== undefined)
    throw new OwnershipError(
      `${call}: this ${typeOf(t)} was ${stored.end.how} ${stored.end.where}`,
      "keep the result instead of the donated input, or pass a copy",
    );
  if (stored.device !== device)
    throw new OwnershipError(
      `${call}: this ${typeOf(t)} lies on ${stored.device.name}, not on ${device.name}`,
      "read it and make a tensor of the numbers",
    );
  mustBeOpen(device, call);
  return stored.buffer;
};

/** Ends a stored tensor's life: its buffer goes back to the device. */
export const release = (t: Tensor, how: "disposed of" | "donated", where: string): void => {
  giveBack(storedOf(t), how, where);
};

/** Ends a stored tensor's life where the device has taken its buffer over already. */
export const surrender = (t: Tensor, how: "donated", where: string): void => {
  const stored = storedOf(t);
  if (stored !== undefined) stored.end = { how, where };
};

/**
 * Frees the stored tensors of trees; twice is fine.
 * @example const x = evaluate(normal(key(0), [4]), device); dispose(x)
 */
export const dispose = (...trees: Tree[]): void => {
  for (const tree of trees) for (const t of leavesOf("dispose", tree)) release(t, "disposed of", "by dispose(…)");
};

/**
 * A tree for `using`: the same tensors, freed at the end of the block. A tensor alone needs no word: `using y = f(x)`.
 * @example using made = disposable({ loss: evaluate(mean(tensor([1, 2])), device) })
 */
export const disposable = <T extends Tree>(tree: T): T & Disposable => {
  if (isTensor(tree)) return tree;
  const end = { value: () => dispose(tree) };
  return Object.defineProperty(Array.isArray(tree) ? [...tree] : { ...tree }, Symbol.dispose, end) as T & Disposable;
};

/** The tensors in whatever a function returns. */
const tensorsIn = (value: unknown, met: Set<unknown> = new Set()): Tensor[] => {
  if (isTensor(value)) return [value];
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || met.has(value)) return [];
  met.add(value);
  return Object.values(value).flatMap((part) => tensorsIn(part, met));
};

/**
 * Runs f and frees every stored tensor that was made meanwhile (by compiled functions, `evaluate`, `upload`), but for those that
 * f returns; if f throws, all of them. Scopes may be nested.
 * Errors: OwnershipError if f is async: others' tensors would be made in between.
 * @example scope(() => evaluate(mean(square(upload(tensor([1, 2]), device))), device)) // 2.5
 */
export const scope = <T>(f: () => T): T => {
  expects("scope", "function", f);
  const made = new Set<Tensor>();
  const kept = new Set<Tensor>();
  scopes.push(made);
  try {
    const result = f();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new OwnershipError("scope(…): the function is async", "await before or after it; scope what is computed");
    }
    for (const t of tensorsIn(result)) kept.add(t);
    return result;
  } finally {
    scopes.pop();
    for (const t of made)
      if (kept.has(t)) scopes.at(-1)?.add(t);
      else release(t, "disposed of", "at the end of a scope");
  }
};

/**
 * Copies a tree of constants to a device. Stored tensors stay where they are.
 * @example const x = upload(tensor([1, 2]), device); dispose(x)
 */
export const upload = <T extends Tree>(tree: T, device: Device): T =>
  treeMapOf(
    "upload",
    (t) => {
      if (t.op !== constantOp) return t;
      mustBeOpen(device, "upload");
      const { data, shape, dtype } = constantData(t);
      return storedTensor(device, device.upload(data, shape, dtype), shape, dtype);
    },
    tree,
  );

/** Copies a tree of stored tensors to the host, leaf by leaf, bit for bit. Constants stay where they are. */
export const download = async <T extends Tree>(tree: T): Promise<T> => {
  const parts: Tensor[] = [];
  for (const t of leavesOf("download", tree)) {
    const device = deviceOf(t);
    parts.push(
      device === undefined
        ? t
        : tensor(await device.read(bufferOf(t, device, "download"), t.shape, t.dtype), t.shape, t.dtype),
    );
  }
  return unflatten(tree, parts);
};

/** `treeMap` of a function that makes tensors: if it fails at one, those made before are freed. Tensors of any shape [...S]. */
export const treeMake = <T extends Tree>(make: (leaf: Tensor, path: string) => Tensor, tree: T): T => {
  expects("treeMake", "function", make);
  const made: Tensor[] = [];
  const remembered = (leaf: Tensor, path: string): Tensor => {
    const out = make(leaf, path);
    made.push(out);
    return out;
  };
  try {
    return treeMapOf("treeMake", remembered, tree);
  } catch (error) {
    dispose(made);
    throw error;
  }
};

/** `read`, told as another call's. */
export const readFor = async (call: string, t: Tensor): Promise<HostData> => {
  expects(call, "tensor", t);
  if (t.op === constantOp) return constantNumbers(t).data;
  const device = deviceOf(t);
  if (device === undefined)
    throw new OwnershipError(`${call}(${typeOf(t)}): it has no numbers yet`, "evaluate(tensor, device) computes it");
  return numbersOf(await device.read(bufferOf(t, device, call), t.shape, t.dtype), t.dtype);
};

/**
 * The numbers of a stored or constant tensor, row-major; those of bf16 and f16 as Float32Array. [...S] → S₀·S₁·… numbers.
 * @example await read(evaluate(tensor([[1, 2], [3, 4]]), device)) // [1, 2, 3, 4]
 */
export const read = (t: Tensor): Promise<HostData> => readFor("read", t);
