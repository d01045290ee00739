import { asks, expects } from "../../core/expects.js";
import {
  add,
  div,
  foldInName,
  InputError,
  matmul,
  mul,
  normal,
  reshape,
  type Shape,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  transpose,
  treeMap,
  zeros,
  zerosLike,
} from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { factorNames, type Params, weightOf } from "../parameters.js";
import { factorShapes, type LoraOptions, type LoraTarget, moduleOf, targetsOf } from "./targets.js";

/** Which part of an adapter a tensor is, by its name; undefined for weights that are trained whole. */
const partOf = (name: string): string | undefined =>
  /\.lora_(A\.weight|B\.weight|magnitude_vector)$/.exec(name)?.[1][0];

const HEAD = "lm_head.weight";

/** Length of each row.  W: [out, in] → [out]. */
const rowLengths = (W: Tensor): Tensor => sqrt(sum(square(W), 1));

/**
 * What an adapter starts from, as a graph: A normal with variance 1/(3·in), as PEFT's default has it; B zero; lengths, and
 * weights that are trained whole, those of `base`; so that the adapted model is the model. A factor depends on (key, name)
 * alone.  Source: Hu et al. 2021, section 4.1.
 * Errors: as `targetsOf`; ShapeError where `base` is called for and lacks a weight. A: [r, in], B: [out, r].
 */
export const initLora = (config: ModelConfig, key: Tensor, options: LoraOptions = {}, base: Params = {}): Params => {
  expects("initLora", "record tensor record? record?", config, key, options, base);
  const start = (name: string, shape: Shape): Tensor => {
    const part = partOf(name);
    if (part === "A") return mul(normal(foldInName(key, name), shape), 1 / Math.sqrt(3 * shape[1]));
    if (part === "B") return zeros(shape);
    if (part === "m") return rowLengths(weightOf(base, `${moduleOf(name)}.weight`));
    return mul(weightOf(base, name), 1); // a copy: the base stays as it is
  };
  return Object.fromEntries([...factorShapes(config, options)].map(([name, shape]) => [name, start(name, shape)]));
};

/** A target with its factors, scale included in B; `length` with DoRA. */
interface Update extends LoraTarget {
  readonly weight: Tensor;
  readonly down: Tensor;
  readonly up: Tensor;
  readonly length?: Tensor;
}

/** Factors of every target, by what is made of them. Errors: as `withLora`. */
const eachTarget = <T>(params: Params, config: ModelConfig, options: LoraOptions, make: (update: Update) => T): T[] =>
  targetsOf(config, options).map((target) => {
    const { name, rank, scale } = target;
    const { a, b, m } = factorNames(name);
    const [down, up] = [weightOf(params, a), weightOf(params, b)];
    if (down.shape[0] !== rank) throw new InputError(`lora: "${a}" has rank ${down.shape[0]}, the options say ${rank}`);
    const length = options.dora ? weightOf(params, m) : undefined;
    return make({ ...target, weight: weightOf(params, name), down, up: mul(scale, up), length });
  });

/** W + α/r · B·A, its rows made as long as DoRA says. The length they had is no part of the gradient, as in PEFT. */
const mergedWeight = ({ weight, down, up, length }: Update): Tensor => {
  const W = add(weight, matmul(up, down));
  return length === undefined ? W : mul(reshape(div(length, stopGradient(rowLengths(W))), [-1, 1]), W);
};

/**
 * What DoRA multiplies each row's product by: m / ‖W + U·A‖ with U = α/r · B.  [out]
 * ‖w + uA‖² = ‖w‖² + 2 u·(wAᵀ) + u·(u AAᵀ), a row; no matrix of W's size is made.
 */
const rowFactors = ({ weight, down, up }: Update, length: Tensor): Tensor => {
  const [W, A, U] = [weight, down, up].map(stopGradient);
  const across = add(mul(2, matmul(W, transpose(A))), matmul(U, matmul(A, transpose(A))));
  return div(length, sqrt(add(sum(square(W), 1), sum(mul(U, across), 1))));
};

/** Without what lies beside the weights. */
const weightsOnly = (params: Params): Params =>
  Object.fromEntries(Object.entries(params).filter(([name]) => partOf(name) === undefined));

/**
 * Parameters of a model that computes x Wᵀ + α/r · (x Aᵀ) Bᵀ where the adapter has factors: the base's own tensors, with A and
 * α/r · B beside, and with DoRA the factor m / ‖W + α/r · B·A‖ of each row. No matrix of W's size is made, neither here nor in
 * the gradient. (The output matrix, of which only rows that are asked for are multiplied, is merged.) A graph: gradients reach
 * whatever is not constant, so that training the factors leaves the base alone.
 * Law: the numbers are those of `mergeLora`, to rounding.
 * Errors: ShapeError for factors that are missing or do not fit; InputError for a rank that is not the factors'.
 */
export const withLora = (base: Params, factors: Params, config: ModelConfig, options: LoraOptions = {}): Params => {
  expects("withLora", "record record record record?", base, factors, config, options);
  const params = { ...base, ...factors };
  const adapted = eachTarget(params, config, options, (update): [string, Tensor][] => {
    const { name, down, up, length } = update;
    if (name === HEAD) return [[name, mergedWeight(update)]];
    const { a, b, m } = factorNames(name);
    return [[a, down], [b, up], ...(length === undefined ? [] : [[m, rowFactors(update, length)] as [string, Tensor]])];
  });
  return { ...weightsOnly(params), ...Object.fromEntries(adapted.flat()) };
};

/**
 * The weights that base and factors stand for: W + α/r · B·A for targets (with DoRA, rows of the trained lengths), what was
 * trained whole, the base's own tensor elsewhere. A graph; evaluated, it is the merge-back. Errors: as `withLora`.
 */
export const mergeLora = (base: Params, factors: Params, config: ModelConfig, options: LoraOptions = {}): Params => {
  expects("mergeLora", "record record record record?", base, factors, config, options);
  const params = { ...base, ...factors };
  const merged = eachTarget(params, config, options, (update) => [update.name, mergedWeight(update)] as const);
  return { ...weightsOnly(params), ...Object.fromEntries(merged) };
};

/**
 * τ of a reference model that is the base and an adapter, in the space of that adapter's factors: the base is (A, 0), the
 * reference (A, B), so that τ is (0, B). A drift of α·τ on the factors is a drift of α·(W_reference − W_base) on the weights
 * as long as A stands still. Weights that were trained whole differ from those of `base`. For online merging over an adapter:
 * train these factors, with this as `refDelta`.
 * Errors: InputError for DoRA, whose weights do not move along a line when its factors do.
 */
export const loraDelta = asks(
  "loraDelta",
  "record record?",
  (factors: Params, base: Params = {}): Params =>
    treeMap((t, name) => {
      const part = partOf(name);
      if (part === "m")
        throw new InputError(
          "lora: an adapter with DoRA has no τ: its weights are no linear function of its factors; merge it into the model first",
        );
      if (part === undefined) return sub(t, weightOf(base, name));
      return part === "B" ? t : zerosLike(t);
    }, factors),
);
