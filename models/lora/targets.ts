import { asks, expects } from "../../core/expects.js";
import { InputError, type Shape } from "../../core/index.js";
import type { ModelConfig } from "../config.js";
import { factorNames, parameterShapes } from "../parameters.js";
import { fullMatches } from "../pattern.js";

/** A low-rank adapter; names as PEFT's in the comments. */
export interface LoraOptions {
  /** r: rank of the update (`r`). Default 16. */
  readonly rank?: number;
  /** α: the update is scaled by α/r (`lora_alpha`). Default 32. */
  readonly alpha?: number;
  /**
   * Modules that get one, by the end of their name: "q_proj", "mlp.up_proj", "lm_head"; or one regular expression for whole
   * names (`target_modules`). Default: all linear layers but the output matrix.
   */
  readonly targets?: readonly string[] | string;
  /** Modules that get none, in the same spellings (`exclude_modules`). */
  readonly exclude?: readonly string[] | string;
  /** Numbers of the layers that get one (`layers_to_transform`); names given whole in `targets` do not ask. Default: all. */
  readonly layers?: readonly number[];
  /** Ranks of modules whose name, or the end of it, an expression matches (`rank_pattern`); the first that does counts. */
  readonly ranks?: Readonly<Record<string, number>>;
  /** α of modules, in the same way (`alpha_pattern`). */
  readonly alphas?: Readonly<Record<string, number>>;
  /** Scale by α/√r instead (`use_rslora`).  Kalajdzievski 2023. */
  readonly rsLora?: boolean;
  /** Rows of W + α/r · B·A keep their direction alone, and have a trained length (`use_dora`).  Liu et al. 2024. */
  readonly dora?: boolean;
  /** Modules that are trained whole, by the end of their name: "embed_tokens" (`modules_to_save`). */
  readonly modulesToSave?: readonly string[];
  /** Biases that are trained: none, all, or those of the modules with an adapter (`bias`). Default none. */
  readonly bias?: "none" | "all" | "lora_only";
}

/** A matrix [out, in] with an adapter, the rank of it, and what its update is multiplied by. */
export interface LoraTarget {
  readonly name: string;
  readonly shape: Shape;
  readonly rank: number;
  readonly scale: number;
}

const EMBEDDING = "model.embed_tokens";
const HEAD = "lm_head";

/** "a.b.weight" → "a.b". */
export const moduleOf = (name: string): string => name.slice(0, name.lastIndexOf("."));

/** Modules that hold linear layers. */
const linears = (config: ModelConfig): string[] =>
  [...parameterShapes(config)]
    .filter(([name, shape]) => shape.length === 2 && moduleOf(name) !== EMBEDDING)
    .map(([name]) => moduleOf(name));

const endsWith = (module: string, ends: readonly string[]): boolean =>
  ends.some((end) => `.${module}`.endsWith(`.${end}`));

/** Errors: InputError for a name that ends no module, with those that there are. */
const checkEnds = (ends: readonly string[], modules: readonly string[], what: string): void => {
  const lost = ends.find((end) => !modules.some((module) => endsWith(module, [end])));
  if (lost === undefined) return;
  const known = [...new Set(modules.map((module) => module.split(".").at(-1) as string))];
  throw new InputError(`lora: no ${what} is called "${lost}"; there are ${known.join(", ")}`);
};

/** Modules that `targets` asks for, before any is left out. */
const asked = ({ targets, layers }: LoraOptions, modules: readonly string[]): string[] => {
  if (targets === undefined) return modules.filter((module) => module !== HEAD);
  if (typeof targets === "string") {
    const matched = fullMatches(targets, [...modules, EMBEDDING], "lora: targets");
    if (matched.has(EMBEDDING))
      throw new InputError(`lora: "${targets}" matches ${EMBEDDING}, which is no linear layer`);
    return modules.filter((module) => matched.has(module));
  }
  if (targets.length === 0) throw new InputError("lora: no target modules are given");
  checkEnds(targets, modules, "linear layer");
  const inLayers = (module: string): boolean => {
    const [, number] = /\.layers\.(\d+)\./.exec(module) ?? [];
    return layers === undefined || layers.length === 0 || (number !== undefined && layers.includes(Number(number)));
  };
  return modules.filter((module) => targets.includes(module) || (endsWith(module, targets) && inLayers(module)));
};

/** Modules that `exclude` leaves out. */
const excluded = (exclude: LoraOptions["exclude"] = [], modules: readonly string[]): ReadonlySet<string> =>
  typeof exclude === "string"
    ? fullMatches(exclude, modules, "lora: exclude")
    : new Set(modules.filter((module) => endsWith(module, exclude)));

/** module → number by the first expression that matches the end of its name. */
const byPattern = (patterns: Readonly<Record<string, number>> = {}, modules: readonly string[], what: string) => {
  const found = new Map<string, number>();
  for (const [pattern, value] of Object.entries(patterns))
    for (const module of fullMatches(`(?:.*\\.)?(?:${pattern})`, modules, `lora: ${what}`))
      if (!found.has(module)) found.set(module, value);
  return found;
};

const checkRank = (rank: number): number => {
  if (!Number.isSafeInteger(rank) || rank < 1) throw new InputError(`lora: rank is ${rank}; it must be an integer ≥ 1`);
  return rank;
};

const checkAlpha = (alpha: number): number => {
  if (!(alpha > 0 && Number.isFinite(alpha))) throw new InputError(`lora: alpha is ${alpha}; it must be a number > 0`);
  return alpha;
};

/**
 * The matrices that an adapter changes, each with its rank and scale.
 * Errors: InputError for a target that is no linear layer, naming those that there are; for none left; for a rank or α out of
 * range.
 */
export const targetsOf = (config: ModelConfig, options: LoraOptions): LoraTarget[] => {
  expects("targetsOf", "record record", config, options);
  const rank = checkRank(options.rank ?? 16);
  const alpha = checkAlpha(options.alpha ?? 32);
  const all = linears(config);
  const whole = new Set(savedNames(config, options).map(moduleOf));
  const out = excluded(options.exclude, all);
  const modules = asked(options, all).filter((module) => !out.has(module) && !whole.has(module));
  if (modules.length === 0)
    throw new InputError("lora: no linear layer is left to adapt; see targets, exclude and layers");
  const ranks = byPattern(options.ranks, modules, "ranks");
  const alphas = byPattern(options.alphas, modules, "alphas");
  const shapes = parameterShapes(config);
  return modules.map((module) => {
    const name = `${module}.weight`;
    const r = checkRank(ranks.get(module) ?? rank);
    const a = checkAlpha(alphas.get(module) ?? alpha);
    return { name, shape: shapes.get(name) as Shape, rank: r, scale: a / (options.rsLora ? Math.sqrt(r) : r) };
  });
};

/** Names of the matrices [out, in] that an adapter changes, with their shapes. Errors: as `targetsOf`. */
export const loraTargets = asks(
  "loraTargets",
  "record record",
  (config: ModelConfig, options: LoraOptions): [string, Shape][] =>
    targetsOf(config, options).map(({ name, shape }) => [name, shape]),
);

/** Every module that a weight lies in, outermost first: "a.b.weight" → "a", "a.b". */
const modulesAround = (name: string): string[] => {
  const parts = name.split(".");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("."));
};

/**
 * Weights that are trained whole, by `modulesToSave`: as in PEFT a name counts wherever it ends a module's.
 * Errors: InputError for a name that no module ends with, and for a tied output matrix, which would come apart.
 */
const savedNames = (config: ModelConfig, { modulesToSave = [] }: LoraOptions): string[] => {
  const names = [...parameterShapes(config).keys()];
  const inside = (name: string, end: string): boolean => modulesAround(name).some((module) => module.endsWith(end));
  const tied = modulesToSave.find((end) => config.tied && [EMBEDDING, HEAD].some((module) => module.endsWith(end)));
  if (tied !== undefined)
    throw new InputError(
      `lora: modules to save: "${tied}" is tied to the other end of this model (tie_word_embeddings); it cannot be trained alone`,
    );
  const lost = modulesToSave.find((end) => end === "" || !names.some((name) => inside(name, end)));
  if (lost !== undefined) checkEnds([lost], names.map(moduleOf), "module");
  return names.filter((name) => modulesToSave.some((end) => inside(name, end)));
};

/** Biases that are trained. */
const biasNames = (config: ModelConfig, { bias = "none" }: LoraOptions, targets: readonly LoraTarget[]): string[] => {
  if (bias === "none") return [];
  const adapted = new Set(targets.map(({ name }) => moduleOf(name)));
  return [...parameterShapes(config).keys()].filter(
    (name) => name.endsWith(".bias") && (bias === "all" || adapted.has(moduleOf(name))),
  );
};

/**
 * Names and shapes of all that an adapter trains: factors A and B, lengths of rows with DoRA, and, under the model's own names,
 * weights and biases that are trained whole. Errors: as `targetsOf`.
 */
export const factorShapes = (config: ModelConfig, options: LoraOptions): ReadonlyMap<string, Shape> => {
  const targets = targetsOf(config, options);
  const shapes = parameterShapes(config);
  const whole = new Set([...savedNames(config, options), ...biasNames(config, options, targets)]);
  return new Map([
    ...targets.flatMap(({ name, shape: [out, inner], rank }): [string, Shape][] => {
      const { a, b, m } = factorNames(name);
      return [[a, [rank, inner]], [b, [out, rank]], ...(options.dora ? [[m, [out]] as [string, Shape]] : [])]; // biome-ignore format: one line
    }),
    ...[...whole].map((name): [string, Shape] => [name, shapes.get(name) as Shape]),
  ]);
};
