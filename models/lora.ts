import {
  add,
  foldInName,
  InputError,
  matmul,
  mul,
  normal,
  type Shape,
  type Tensor,
  treeMap,
  zeros,
  zerosLike,
} from "../core/index.js";
import type { ModelConfig } from "./config.js";
import { factorNames, type Params, parameterShapes, weightOf } from "./parameters.js";

/** A low-rank adapter; names as PEFT's in the comments. */
export interface LoraOptions {
  /** r: rank of the update (`r`). Default 16. */
  readonly rank?: number;
  /** α: the update is scaled by α/r (`lora_alpha`). Default 32. */
  readonly alpha?: number;
  /**
   * Modules that get one, by the end of their name: "q_proj", "mlp.up_proj", "lm_head" (`target_modules`). Default: all
   * linear layers but the output matrix.
   */
  readonly targets?: readonly string[];
}

/** Is this factor B? */
const isUp = (factor: string): boolean => factor.endsWith(".lora_B.weight");

const EMBEDDING = "model.embed_tokens.weight";
const HEAD = "lm_head.weight";

/** Weight matrices of linear layers. */
const linears = (config: ModelConfig): [name: string, shape: Shape][] =>
  [...parameterShapes(config)].filter(([name, shape]) => shape.length === 2 && name !== EMBEDDING);

/**
 * Names of the matrices [out, in] that an adapter changes, with their shapes.
 * Errors: InputError for a target that is no linear layer, naming those that there are; for a rank or α out of range.
 */
export const loraTargets = (
  config: ModelConfig,
  { rank = 16, alpha = 32, targets }: LoraOptions,
): [string, Shape][] => {
  if (!Number.isSafeInteger(rank) || rank < 1) throw new InputError(`lora: rank is ${rank}; it must be an integer ≥ 1`);
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new InputError(`lora: alpha is ${alpha}; it must be a number > 0`);
  const all = linears(config);
  if (targets === undefined) return all.filter(([name]) => name !== HEAD);
  const ends = (name: string, target: string): boolean => `.${name}`.endsWith(`.${target}.weight`);
  const lost = targets.find((target) => !all.some(([name]) => ends(name, target)));
  if (lost !== undefined) {
    const known = new Set(all.map(([name]) => name.split(".").at(-2) as string));
    throw new InputError(`lora: no linear layer is called "${lost}"; there are ${[...known].join(", ")}`);
  }
  if (targets.length === 0) throw new InputError("lora: no target modules are given");
  return all.filter(([name]) => targets.some((target) => ends(name, target)));
};

/** Names and shapes of an adapter's factors. Errors: as `loraTargets`. */
export const factorShapes = (config: ModelConfig, options: LoraOptions): ReadonlyMap<string, Shape> => {
  const { rank = 16 } = options;
  return new Map(
    loraTargets(config, options).flatMap(([name, [out, inner]]): [string, Shape][] => {
      const { a, b } = factorNames(name);
      return [
        [a, [rank, inner]],
        [b, [out, rank]],
      ];
    }),
  );
};

/**
 * Fresh factors, as a graph: A normal with variance 1/(3·in), as PEFT's default has it; B zero, so that the adapted model is
 * the model. A factor depends on (key, name) alone.  Source: Hu et al. 2021, section 4.1.
 */
export const initLora = (config: ModelConfig, key: Tensor, options: LoraOptions = {}): Params =>
  Object.fromEntries(
    [...factorShapes(config, options)].map(([name, shape]) => [
      name,
      isUp(name) ? zeros(shape) : mul(normal(foldInName(key, name), shape), 1 / Math.sqrt(3 * shape[1])),
    ]),
  );

const mergedWeight = (base: Params, name: string, down: Tensor, up: Tensor, scale: number): Tensor =>
  add(weightOf(base, name), mul(scale, matmul(up, down)));

/** Factors of a target by what is made of them. Errors: as `withLora`. */
const eachTarget = <T>(
  factors: Params,
  config: ModelConfig,
  options: LoraOptions,
  make: (name: string, down: Tensor, up: Tensor, scale: number) => T,
): T[] => {
  const { rank = 16, alpha = 32 } = options;
  return loraTargets(config, options).map(([name]) => {
    const { a, b } = factorNames(name);
    const [down, up] = [weightOf(factors, a), weightOf(factors, b)];
    if (down.shape[0] !== rank) throw new InputError(`lora: "${a}" has rank ${down.shape[0]}, the options say ${rank}`);
    return make(name, down, up, alpha / rank);
  });
};

/**
 * Parameters of a model that computes x Wᵀ + α/r · (x Aᵀ) Bᵀ where the adapter has factors: the base's own tensors, with A and
 * α/r · B beside. No matrix of W's size is made, neither here nor in the gradient. (The output matrix, of which only rows
 * that are asked for are multiplied, is merged.) A graph: gradients reach whatever is not constant, so that training
 * the factors leaves the base alone.
 * Law: the numbers are those of `mergeLora`, to rounding.
 * Errors: ShapeError for factors that are missing or do not fit; InputError for a rank that is not the factors'.
 */
export const withLora = (base: Params, factors: Params, config: ModelConfig, options: LoraOptions = {}): Params => {
  const adapted = eachTarget(factors, config, options, (name, down, up, scale): [string, Tensor][] => {
    if (name === HEAD) return [[name, mergedWeight(base, name, down, up, scale)]];
    const { a, b } = factorNames(name);
    return [
      [a, down],
      [b, mul(scale, up)],
    ];
  });
  return { ...base, ...Object.fromEntries(adapted.flat()) };
};

/**
 * The weights that base and factors stand for: W + α/r · B·A for targets, the base's own tensor elsewhere. A graph; evaluated,
 * it is the merge-back. Errors: as `withLora`.
 */
export const mergeLora = (base: Params, factors: Params, config: ModelConfig, options: LoraOptions = {}): Params => ({
  ...base,
  ...Object.fromEntries(
    eachTarget(factors, config, options, (name, down, up, scale) => [name, mergedWeight(base, name, down, up, scale)]),
  ),
});

/**
 * τ of a reference model that is the base and an adapter, in the space of that adapter's factors: the base is (A, 0), the
 * reference (A, B), so that τ is (0, B). A drift of α·τ on the factors is a drift of α·(W_reference − W_base) on the weights
 * as long as A stands still. For online merging over an adapter: train these factors, with this as `refDelta`.
 */
export const loraDelta = (factors: Params): Params => treeMap((t, name) => (isUp(name) ? t : zerosLike(t)), factors);
