import { type DType, sizeOf, tensor } from "../../../core/index.js";
import {
  type Model,
  type ModelConfig,
  openWeights,
  type Params,
  parameterShapes,
  readConfig,
  weightDtypeOf,
} from "../../../models/index.js";

/** A model's parameters as zeros on the host that take no memory; `dtypeOf` tells how each is stored. */
export const shapeParams = (config: ModelConfig, dtypeOf: (name: string) => DType): Params => {
  const shapes = [...parameterShapes(config)];
  const most = Math.max(...shapes.map(([, shape]) => sizeOf(shape)));
  const zeros = { f32: new Float32Array(most), half: new Uint16Array(most) };
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      const dtype = dtypeOf(name);
      return [name, tensor((dtype === "f32" ? zeros.f32 : zeros.half).subarray(0, sizeOf(shape)), shape, dtype)];
    }),
  );
};

const STORED: Readonly<Record<string, DType>> = { BF16: "bf16", F16: "f16" };

/**
 * A model folder as `loadModel` gives it, with zeros for weights that take no memory: what a dry run plans with.
 * Errors: InputError for a configuration or weight files whose headers are wrong.
 */
export const shapeModel = (folder: string): Model => {
  const config = readConfig(folder);
  const { layout, has, info } = openWeights(folder);
  const params = shapeParams(config, (name) => (has(name) ? STORED[info(name).dtype] : undefined) ?? "f32");
  return { config, params, layout, dtype: weightDtypeOf(config.dtype) };
};
