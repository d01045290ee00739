import { type DType, type HostData, numbersOf } from "./dtype.js";
import { ShapeError } from "./errors.js";
import { type Shape, sizeOf } from "./shape.js";
import { giveBack, type Owned } from "./storage/owned.js";

/** As much of a tensor as it takes to show it. */
interface Shown {
  readonly op: { readonly name: string };
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly shape: Shape;
  readonly dtype: DType;
}

const showNumber = (x: number, dtype: DType): string => {
  if (dtype === "bool") return String(x !== 0);
  return dtype === "i32" || dtype === "u32" || !Number.isFinite(x) ? String(x) : String(Number(x.toPrecision(6)));
};

/** Rows from each end that are shown of a long axis. */
const ENDS = 3;
/** More elements than these are not all shown. */
const MANY = 200;

/** Numbers in nested brackets, a row a line; of many, the ends of each axis. */
export const showNumbers = (data: HostData, shape: Shape, dtype: DType): string => {
  const isLong = sizeOf(shape) > MANY;
  const part = (axis: number, at: number): string => {
    if (axis === shape.length) return showNumber(data[at], dtype);
    const [n, inner] = [shape[axis], sizeOf(shape.slice(axis + 1))];
    const isCut = isLong && n > 2 * ENDS;
    const indices = isCut
      ? [...Array(ENDS).keys(), ...Array.from(Array(ENDS), (_, i) => n - ENDS + i)]
      : [...Array(n).keys()];
    const shown = indices.map((i) => part(axis + 1, at + i * inner));
    if (isCut) shown.splice(ENDS, 0, "…");
    const gap = "\n".repeat(shape.length - axis - 1);
    return `[${shown.join(gap === "" ? ", " : `,${gap}${" ".repeat(axis + 1)}`)}]`;
  };
  return part(0, 0);
};

/** dtype, shape and place; the numbers, if they are on the host and told to. */
export const showTensor = (t: Shown, numbers?: HostData): string => {
  const type = `${t.dtype}[${t.shape.join(",")}]`;
  const stored = t.attrs.stored as Owned | undefined;
  if (stored !== undefined) {
    const place = stored.end === undefined ? `on ${stored.device.name}` : `${stored.end.how} ${stored.end.where}`;
    return numbers === undefined
      ? `Tensor ${type} ${place}`
      : `Tensor ${type} ${place}\n${showNumbers(numbers, t.shape, t.dtype)}`;
  }
  if (t.op.name === "input") return `Tensor ${type}, an argument of a function that is being traced`;
  if (t.op.name !== "constant") return `Tensor ${type}, not computed: ${t.op.name}(…)`;
  const data = numbersOf(t.attrs.data as HostData, t.dtype);
  return `Tensor ${type}${t.shape.length > 1 ? "\n" : " "}${showNumbers(data, t.shape, t.dtype)}`;
};

const uses = {
  number: ["a number", "less(x, y), add(x, y), … compute with tensors; await item(x) gives the number of one"],
  string: ["text", "x.toString() describes it, await print(x) prints its numbers"],
  default: ["a number or text", "add(x, y) adds tensors, x.toString() describes one, await item(x) gives its number"],
  list: ["a list", "unstack(x) gives its slices, await toArray(x) its numbers"],
  json: ["JSON", "await toArray(x) gives its numbers"],
} as const;

const refuse = (t: Shown, use: keyof typeof uses): never => {
  const [what, instead] = uses[use];
  throw new ShapeError(`a tensor ${t.dtype}[${t.shape.join(",")}] is used as ${what}`, instead);
};

/** What all tensors inherit: how they are shown, what they refuse, and how `using` ends them. */
export const manners = {
  toString(this: Shown): string {
    return showTensor(this);
  },
  [Symbol.for("nodejs.util.inspect.custom")](this: Shown): string {
    return showTensor(this);
  },
  [Symbol.toPrimitive](this: Shown, hint: "number" | "string" | "default"): never {
    return refuse(this, hint);
  },
  [Symbol.iterator](this: Shown): never {
    return refuse(this, "list");
  },
  toJSON(this: Shown): never {
    return refuse(this, "json");
  },
  [Symbol.dispose](this: Shown): void {
    giveBack(this.attrs.stored as Owned | undefined, "disposed of", "at the end of its block");
  },
};
