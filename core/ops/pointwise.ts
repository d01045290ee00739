import type { DType } from "../dtype.js";
import * as of from "../elementary.js";
import { ShapeError } from "../errors.js";
import { checked, expects } from "../expects.js";
import { callOf } from "../print.js";
import { broadcastShapes, type Shape } from "../shape.js";
import { isTensor, node, type Op, type Tensor } from "../tensor.js";
import { broadcastTo } from "./broadcast.js";
import { cast, widened } from "./cast.js";
import { erfOf } from "./definitions.js";
import { type ElementRule, elementwise } from "./elementwise.js";
import { scalar } from "./leaf.js";

/** A tensor, or a number that becomes a scalar of the other operands' dtype. */
export type TensorLike = Tensor | number;

/** Every pointwise op, by the name that devices' emitter tables use. */
export type PointwiseName =
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "round"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sqrt"
  | "rsqrt"
  | "sin"
  | "cos"
  | "atan"
  | "tanh"
  | "erf"
  | "sigmoid"
  | "softplus"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "maximum"
  | "minimum"
  | "less"
  | "lessEqual"
  | "equal"
  | "and"
  | "or"
  | "not"
  | "where"
  | "cast"
  | "roundRandom"
  | "randomBits"
  | "unitInterval"
  | "magnitudeBits"
  | "iota";

/** Which dtypes an op takes, and what it gives. */
type Signature =
  | "float" // f32… → f32
  | "arithmetic" // one of f32, i32, u32 → the same
  | "compare" // two of one dtype → bool
  | "logic" // bool… → bool
  | "select" // bool, T, T → T
  | "bits"; // u32… → u32

interface PointwiseRule {
  readonly define: ElementRule;
  readonly vjp?: Op["vjp"];
  readonly signature?: Signature;
}

const dtypeFor = (signature: Signature, inputs: readonly Tensor[]): DType | undefined => {
  const [first, second, third] = inputs.map((x) => x.dtype);
  const same = inputs.every((x) => x.dtype === first);
  switch (signature) {
    case "float":
      return same && first === "f32" ? "f32" : undefined;
    case "arithmetic":
      return same && first !== "bool" ? first : undefined;
    case "compare":
      return same ? "bool" : undefined;
    case "logic":
      return same && first === "bool" ? "bool" : undefined;
    case "select":
      return first === "bool" && second === third ? second : undefined;
    case "bits":
      return same && first === "u32" ? "u32" : undefined;
  }
};

/** Declares a pointwise op: its record, and the function that broadcasts its operands and makes the node. */
const pointwise = (name: PointwiseName, rule: PointwiseRule) => {
  const op: Op = { name, kind: "pointwise", evaluate: elementwise(rule.define), vjp: rule.vjp };
  return (...given: TensorLike[]): Tensor => {
    for (const x of given)
      if (typeof x !== "number" && !isTensor(x)) expects(name, given.map(() => "operand").join(" "), ...given);
    const operands = given.map((x) => (typeof x === "number" ? x : widened(x)));
    const typed = operands.filter(isTensor);
    // A number takes the dtype of the last tensor: `where(mask, 1, x)` means x's.
    const like = typed.findLast((x) => x.dtype !== "bool")?.dtype ?? (typed.length === 0 ? "f32" : typed[0].dtype);
    const inputs = operands.map((x) => (typeof x === "number" ? scalar(x, like) : x));
    const fraction = operands.find((x) => typeof x === "number" && !Number.isInteger(x));
    if (like !== "f32" && fraction !== undefined)
      throw new ShapeError(`${callOf(name, inputs)}: ${fraction} is no ${like}`, 'convert with cast(x, "f32")');
    const shape = inputs.reduce<Shape | undefined>((s, x) => s && broadcastShapes(s, x.shape), []);
    if (shape === undefined)
      throw new ShapeError(
        `${callOf(name, inputs)}: shapes do not broadcast`,
        "axes align from the right; 1 stretches",
      );
    const dtype = dtypeFor(rule.signature ?? "float", inputs);
    if (dtype === undefined)
      throw new ShapeError(`${callOf(name, inputs)}: dtypes do not fit`, 'convert with cast(x, "f32")');
    return node(
      op,
      inputs.map((x) => broadcastTo(x, shape)),
      {},
      shape,
      dtype,
    );
  };
};

/** Functions of one and of two operands broadcast them, [...S], and read bf16 and f16 as f32. Errors: ShapeError if shapes or dtypes do not fit. */
type Unary = (x: TensorLike) => Tensor;
type Binary = (x: TensorLike, y: TensorLike) => Tensor;

/** -x. f32, i32 or u32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const neg: Unary = pointwise("neg", {
  signature: "arithmetic",
  define: (x) => -x,
  vjp: (ct) => [neg(ct)],
});

/** |x|; gradient 0 at 0. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const abs: Unary = pointwise("abs", {
  define: (x) => Math.abs(x),
  vjp: (ct, [x]) => [mul(ct, sign(x))],
});

/** -1, 0 or 1. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const sign: Unary = pointwise("sign", { define: (x) => Math.sign(x) });

/** The largest integer ≤ x. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const floor: Unary = pointwise("floor", { define: (x) => Math.floor(x) });

/** The nearest integer; of two as near, the even one. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const round: Unary = pointwise("round", {
  define: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
});

/**
 * eˣ. f32 [...S] → [...S]. Errors: ShapeError for other dtypes.
 * @example exp(tensor([0, 1])) // [1, 2.71828]
 */
export const exp: Unary = pointwise("exp", {
  define: of.exp,
  vjp: (ct, _, y) => [mul(ct, y)],
});

/** eˣ - 1, accurate near 0. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const expm1: Unary = pointwise("expm1", {
  define: of.expm1,
  vjp: (ct, _, y) => [mul(ct, add(y, 1))],
});

/**
 * Natural logarithm. f32 [...S] → [...S]. Errors: ShapeError for other dtypes.
 * @example log(tensor([1, 10])) // [0, 2.30259]
 */
export const log: Unary = pointwise("log", {
  define: of.log,
  vjp: (ct, [x]) => [div(ct, x)],
});

/** log(1 + x), accurate near 0. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const log1p: Unary = pointwise("log1p", {
  define: of.log1p,
  vjp: (ct, [x]) => [div(ct, add(1, x))],
});

/**
 * √x; NaN below 0, and no finite gradient at 0. f32 [...S] → [...S]. Errors: ShapeError for other dtypes.
 * @example sqrt(tensor([1, 4])) // [1, 2]
 */
export const sqrt: Unary = pointwise("sqrt", {
  define: (x) => Math.sqrt(x),
  vjp: (ct, _, y) => [div(ct, mul(2, y))],
});

/** 1/√x. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const rsqrt: Unary = pointwise("rsqrt", {
  define: (x) => 1 / Math.sqrt(x),
  vjp: (ct, _, y) => [mul(ct, mul(-0.5, mul(y, mul(y, y))))], // d x^-½ = -½ x^-3/2
});

/** sin x, x in radians. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const sin: Unary = pointwise("sin", {
  define: of.sin,
  vjp: (ct, [x]) => [mul(ct, cos(x))],
});

/** cos x, x in radians. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const cos: Unary = pointwise("cos", {
  define: of.cos,
  vjp: (ct, [x]) => [neg(mul(ct, sin(x)))],
});

/** The angle in (-π/2, π/2) whose tangent is x, in radians. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const atan: Unary = pointwise("atan", {
  define: of.atan,
  vjp: (ct, [x]) => [div(ct, add(1, mul(x, x)))],
});

/**
 * (eˣ - e⁻ˣ)/(eˣ + e⁻ˣ). f32 [...S] → [...S]. Errors: ShapeError for other dtypes.
 * @example tanh(tensor([0, 1])) // [0, 0.76159]
 */
export const tanh: Unary = pointwise("tanh", {
  define: of.tanh,
  vjp: (ct, _, y) => [mul(ct, sub(1, mul(y, y)))], // d tanh = 1 - tanh²
});

/** 2/√π ∫₀ˣ e^-t² dt. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const erf: Unary = pointwise("erf", {
  define: erfOf,
  vjp: (ct, [x]) => [mul(ct, mul(2 / Math.sqrt(Math.PI), exp(neg(mul(x, x)))))],
});

/**
 * σ(x) = 1/(1 + e^-x). f32 [...S] → [...S]. Errors: ShapeError for other dtypes.
 * @example sigmoid(tensor([0, 1])) // [0.5, 0.73106]
 */
export const sigmoid: Unary = pointwise("sigmoid", {
  define: (x) => 1 / (1 + of.exp(-x)),
  vjp: (ct, _, y) => [mul(ct, mul(y, sub(1, y)))],
});

/** log(1 + eˣ), without overflow. -softplus(-x) is log σ(x). f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const softplus: Unary = pointwise("softplus", {
  define: (x) => Math.max(x, 0) + of.log1p(of.exp(-Math.abs(x))),
  vjp: (ct, [x]) => [mul(ct, sigmoid(x))],
});

/**
 * x + y; integers wrap. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit.
 * @example add(tensor([[1], [2]]), tensor([10, 20])) // [[11, 21], [12, 22]]
 */
export const add: Binary = pointwise("add", {
  signature: "arithmetic",
  define: (x, y) => x + y,
  vjp: (ct) => [ct, ct],
});

/** x - y; integers wrap. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const sub: Binary = pointwise("sub", {
  signature: "arithmetic",
  define: (x, y) => x - y,
  vjp: (ct) => [ct, neg(ct)],
});

/**
 * x · y; integers wrap. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit.
 * @example mul(tensor([1, 2]), 3) // [3, 6]
 */
export const mul: Binary = pointwise("mul", {
  signature: "arithmetic",
  define: (x, y, _, out) => (out.dtype === "f32" ? x * y : Math.imul(x, y)),
  vjp: (ct, [x, y]) => [mul(ct, y), mul(ct, x)],
});

/**
 * x / y; f32 only. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit.
 * @example div(tensor([1, 2]), 4) // [0.25, 0.5]
 */
export const div: Binary = pointwise("div", {
  define: (x, y) => x / y,
  vjp: (ct, [_, y], out) => [div(ct, y), neg(mul(ct, div(out, y)))],
});

/**
 * The larger one; equal operands share the gradient. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless
 * shapes and dtypes fit.
 * @example maximum(tensor([1, 5]), 3) // [3, 5]
 */
export const maximum: Binary = pointwise("maximum", {
  signature: "arithmetic",
  define: (x, y) => Math.max(x, y),
  vjp: (ct, [x, y]) => shareByOrder(ct, y, x),
});

/**
 * The smaller one; equal operands share the gradient. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless
 * shapes and dtypes fit.
 */
export const minimum: Binary = pointwise("minimum", {
  signature: "arithmetic",
  define: (x, y) => Math.min(x, y),
  vjp: (ct, [x, y]) => shareByOrder(ct, x, y),
});

/** Cotangents of [winner if low < high, the other one]: all to the winner, halves on a tie. */
const shareByOrder = (ct: Tensor, low: Tensor, high: Tensor): Tensor[] => {
  const half = mul(ct, 0.5);
  const tie = equal(low, high);
  const first = where(tie, half, where(less(low, high), ct, 0));
  return [first, where(tie, half, where(less(high, low), ct, 0))];
};

/**
 * x < y, as bool; like every comparison, false where one of them is NaN. [...S], [...S] → [...S]; shapes broadcast. Errors:
 * ShapeError unless shapes and dtypes fit.
 * @example less(tensor([1, 5]), 3) // bool [1, 0]
 */
export const less: Binary = pointwise("less", { signature: "compare", define: (x, y) => (x < y ? 1 : 0) });
/** x ≤ y, as bool. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const lessEqual: Binary = pointwise("lessEqual", { signature: "compare", define: (x, y) => (x <= y ? 1 : 0) });
/** x = y, as bool. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const equal: Binary = pointwise("equal", { signature: "compare", define: (x, y) => (x === y ? 1 : 0) });
/** x > y, as bool. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const greater: Binary = checked("greater", "operand operand", (x, y) => less(y, x));
/** x ≥ y, as bool. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const greaterEqual: Binary = checked("greaterEqual", "operand operand", (x, y) => lessEqual(y, x));

/** Both, of bools. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const and: Binary = pointwise("and", { signature: "logic", define: (x, y) => x & y });
/** Either or both, of bools. [...S], [...S] → [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const or: Binary = pointwise("or", { signature: "logic", define: (x, y) => x | y });
/** The other one, of bools. [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const not: Unary = pointwise("not", { signature: "logic", define: (x) => 1 - x });

/**
 * x where the condition holds, else y. The branch not taken gets a zero cotangent, whatever its value. All [...S]; shapes
 * broadcast. Errors: ShapeError unless shapes and dtypes fit.
 * @example where(less(tensor([1, 5]), 3), 0, tensor([1, 5])) // [0, 5]
 */
export const where = (condition: Tensor, x: TensorLike, y: TensorLike): Tensor => {
  expects("where", "tensor operand operand", condition, x, y);
  const stored = [x, y].map((branch) => (typeof branch === "number" ? undefined : branch.dtype));
  // Two numbers are an f32's.
  const chosen = select(condition, typeof x === "number" && typeof y === "number" ? scalar(x) : x, y);
  // A choice between numbers of one 16-bit dtype is one of that dtype.
  return stored[0] !== undefined && stored[0] === stored[1] ? cast(chosen, stored[0]) : chosen;
};
const select = pointwise("where", {
  signature: "select",
  define: (c, x, y) => (c ? x : y),
  vjp: (ct, [c]) => [null, where(c, ct, 0), where(c, 0, ct)],
});

/**
 * x². f32 [...S] → [...S]. Errors: ShapeError for other dtypes.
 * @example square(tensor([-3, 2])) // [9, 4]
 */
export const square = checked("square", "tensor", (x: Tensor): Tensor => mul(x, x));
/** x · σ(x). f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const silu = checked("silu", "tensor", (x: Tensor): Tensor => mul(x, sigmoid(x)));
/** log σ(x), without overflow. f32 [...S] → [...S]. Errors: ShapeError for other dtypes. */
export const logSigmoid = checked("logSigmoid", "tensor", (x: Tensor): Tensor => neg(softplus(neg(x))));
/** (1-t)·a + t·b. All f32 [...S]; shapes broadcast. Errors: ShapeError unless shapes and dtypes fit. */
export const lerp = checked(
  "lerp",
  "tensor tensor operand",
  (a: Tensor, b: Tensor, t: TensorLike): Tensor => add(mul(sub(1, t), a), mul(t, b)),
);
