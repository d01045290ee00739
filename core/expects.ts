import type { DType } from "./dtype.js";
import { DeviceError, ShapeError } from "./errors.js";
import { typeOf } from "./print.js";
import { instead } from "./suggest.js";
import { isTensor } from "./tensor.js";
import { leavesOf, type Tree } from "./tree.js";

/** An argument as errors show it. */
const shown = (x: unknown): string => {
  if (isTensor(x)) return typeOf(x);
  if (typeof x === "function") return "a function";
  if (typeof x !== "object" || x === null) return typeof x === "string" ? JSON.stringify(x) : String(x);
  if (Array.isArray(x)) return x.length <= 8 && x.every((n) => typeof n === "number") ? `[${x}]` : "an array";
  return ArrayBuffer.isView(x) ? x.constructor.name : x instanceof Promise ? "a promise" : "an object";
};

/** What to write instead of something that is no tensor. */
const insteadOf = (x: unknown): string => {
  if (x instanceof Promise) return "await it first";
  if (Array.isArray(x) || ArrayBuffer.isView(x)) return "tensor(…) makes a tensor of an array";
  if (typeof x === "number") return "scalar(…) makes a tensor of a number";
  return x === undefined ? "is an argument missing, or a name of a record misspelled?" : "pass a tensor";
};

type Fault = readonly [what: string, hint?: string, kind?: typeof ShapeError | typeof DeviceError];
const isNumber = (x: unknown): boolean => typeof x === "number";
const isNumbers = (x: unknown): boolean => Array.isArray(x) && x.every(isNumber);
/** Of everything that is right nothing is written: ops are called by the thousand while a program is traced and planned. */
const unless = (fits: boolean, x: unknown, what: string): Fault | undefined =>
  fits ? undefined : [`${shown(x)} ${what}`];
const tensorFault = (x: unknown): Fault | undefined =>
  isTensor(x) ? undefined : [`${shown(x)} is no tensor`, insteadOf(x)];

/** An object with fields of its own, such as options, and no device. */
const isRecord = (x: unknown): boolean =>
  typeof x === "object" &&
  x !== null &&
  !(
    Array.isArray(x) ||
    isTensor(x) ||
    x instanceof Promise ||
    typeof (x as { isOpen?: unknown }).isOpen === "function"
  );

const dtypes: readonly string[] = ["f32", "i32", "u32", "bool", "bf16", "f16"] satisfies readonly DType[];

/** Kinds of argument, and what is wrong with one that is not of its kind. */
const kinds = {
  tensor: tensorFault,
  operand: (x: unknown) => (typeof x === "number" ? undefined : tensorFault(x)),
  tensors: (x: unknown): Fault | undefined =>
    Array.isArray(x)
      ? x.reduce<Fault | undefined>((fault, part) => fault ?? tensorFault(part), undefined)
      : [`${shown(x)} is no array of tensors`, "write [x, y, …]"],
  /** Of numbers; which of them an axis or a size can be, each op says. */
  numbers: (x: unknown) => unless(isNumbers(x), x, "is no array of numbers"),
  number: (x: unknown) => unless(isNumber(x), x, "is no number"),
  integer: (x: unknown) => unless(Number.isInteger(x), x, "is no integer"),
  axes: (x: unknown): Fault | undefined =>
    isNumber(x) || isNumbers(x) ? undefined : [`axes ${shown(x)} are no numbers`],
  texts: (x: unknown) =>
    unless(Array.isArray(x) && x.every((part) => typeof part === "string"), x, "is no array of texts"),
  text: (x: unknown) => unless(typeof x === "string", x, "is no text"),
  flag: (x: unknown) => unless(typeof x === "boolean", x, "is neither true nor false"),
  dtype: (x: unknown): Fault | undefined =>
    dtypes.includes(x as string) ? undefined : [`${shown(x)} is no dtype`, instead(String(x), dtypes)],
  function: (x: unknown) => unless(typeof x === "function", x, "is no function"),
  list: (x: unknown): Fault | undefined =>
    Array.isArray(x) ? undefined : [`${shown(x)} is no list of arguments`, "write [x, y, …]"],
  /** Of fields: which, each function says. */
  record: (x: unknown) => unless(isRecord(x), x, "is no record of what is asked for"),
  folder: (x: unknown) =>
    unless(
      typeof x === "string" || (isRecord(x) && typeof (x as { file?: unknown }).file === "function"),
      x,
      "is neither a path nor a folder",
    ),
  rows: (x: unknown) =>
    unless(isRecord(x) || (Array.isArray(x) && x.every(isRecord)), x, "is neither rows nor an array of them"),
  records: (x: unknown) => unless(Array.isArray(x) && x.every(isRecord), x, "is no array of records"),
  tree: (x: unknown): Fault | undefined => {
    try {
      leavesOf("", x as Tree);
      return undefined;
    } catch (error) {
      return [(error as Error).message.split("\n")[0].replace(/^: /, ""), "tensors, in arrays and records"];
    }
  },
  series: (x: unknown) => unless(Array.isArray(x) || ArrayBuffer.isView(x), x, "is no array of numbers"),
  array: (x: unknown) => unless(Array.isArray(x), x, "is no array"),
  device: (x: unknown): Fault | undefined => {
    const { isOpen, name } = (x ?? {}) as { readonly isOpen?: unknown; readonly name?: string };
    if (typeof isOpen !== "function") return [`${shown(x)} is no device`, 'await open("auto") opens one', DeviceError];
    if (isOpen()) return undefined;
    return [`the device ${name} is closed`, "close it last, or open another: open(…)", DeviceError];
  },
  any: (): undefined => undefined,
} as const;
type Kind = keyof typeof kinds;

/** Options: a record of these names, `axis` or `keepAxes:flag` where their kind is asked here; each may be left out. */
const optionsFault = (wanted: readonly string[]) => {
  const kindOf = new Map(wanted.map((word) => [word.split(":")[0], (word.split(":")[1] ?? "any") as Kind]));
  const names = [...kindOf.keys()];
  return (x: unknown): Fault | undefined => {
    if (typeof x !== "object" || x === null || Array.isArray(x) || isTensor(x))
      return [`${shown(x)} is no record of options`, `write { ${names[0]}: … }`];
    for (const [name, value] of Object.entries(x)) {
      const kind = kindOf.get(name);
      if (kind === undefined) return [`option "${name}" is not known`, instead(name, names)];
      const fault = value === undefined ? undefined : kinds[kind](value);
      if (fault !== undefined) return [`option ${name}: ${fault[0]}`, fault[1]];
    }
    return undefined;
  };
};

interface Wanted {
  readonly faultOf: (x: unknown) => Fault | undefined;
  readonly mayBeLeftOut: boolean;
}
const read = (word: string): Wanted => {
  const kind = word.replace("?", "");
  return {
    faultOf: kind.startsWith("{") ? optionsFault(kind.slice(1, -1).split(",")) : kinds[kind as Kind],
    mayBeLeftOut: word.endsWith("?"),
  };
};
const known = new Map<string, readonly Wanted[]>();

/**
 * The one place where ops check what kind of thing they are given: `expects("gather", "tensor tensor", table, ids)`. A kind
 * with "?" may be left out; `{axis:integer,draws}` is a record of options of these names. Errors: ShapeError with the call as it was written.
 */
export const expects = (name: string, wanted: string, ...given: readonly unknown[]): void => {
  const all = known.get(wanted) ?? wanted.split(" ").map(read);
  known.set(wanted, all);
  for (let i = 0; i < all.length; i++) {
    const { faultOf, mayBeLeftOut } = all[i];
    const fault = mayBeLeftOut && given[i] === undefined ? undefined : faultOf(given[i]);
    if (fault === undefined) continue;
    const [what, hint, Kind = ShapeError] = fault;
    throw new Kind(`${name}(${given.map(shown).join(", ")}): ${what}`, hint);
  }
};

const AsyncFunction = (async () => {}).constructor;

/** A function that is no op, and first asks of what kinds its arguments are; kinds as in `expects`. An async one rejects. */
export const asks = <F extends (...given: never[]) => unknown>(name: string, wanted: string, f: F): F =>
  ((...given: never[]) => {
    try {
      expects(name, wanted, ...given);
    } catch (error) {
      if (f instanceof AsyncFunction) return Promise.reject(error);
      throw error;
    }
    return f(...given);
  }) as F;

/** Errors of the ops that a composition is made of, told as its own. */
const reasons = new WeakMap<ShapeError, readonly [message: string, hint?: string]>();

/**
 * A composition of other ops that answers by its own name: checks what it is given, and says of an error inside which call it
 * was made in.  `checked("relu", "tensor", (x: Tensor) => …)`; kinds as in `expects`.
 */
export const checked = <F extends (...given: never[]) => unknown>(name: string, wanted: string, f: F): F =>
  ((...given: never[]) => {
    expects(name, wanted, ...given);
    try {
      return f(...given);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      const reason = reasons.get(error) ?? ([error.message.split("\n")[0], error.hint] as const);
      const call = `${name}(${given.map(shown).join(", ")})`;
      if (reason[0].startsWith(`${name}(`)) throw error;
      const outer = new ShapeError(`${call}: ${reason[0]}`, reason[1]);
      reasons.set(outer, reason);
      throw outer;
    }
  }) as F;
