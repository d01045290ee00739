import { tensor } from "../../../core/index.js";
import { type Model, openWeights, parameterShapes, readConfig, weightDtypeOf } from "../../../models/index.js";

/**
 * A model folder as `loadModel` gives it, with zeros for weights that take no memory: what a dry run plans with.
 * Errors: InputError for a configuration or weight files whose headers are wrong.
 */
export const shapeModel = (folder: string): Model => {
  const config = readConfig(folder);
  const { layout } = openWeights(folder);
  const shapes = [...parameterShapes(config)];
  const sizes = shapes.map(([, shape]) => shape.reduce((a, b) => a * b, 1));
  const zeros = new Float32Array(Math.max(...sizes));
  const params = shapes.map(([name, shape], i) => [name, tensor(zeros.subarray(0, sizes[i]), shape)] as const);
  return { config, params: Object.fromEntries(params), layout, dtype: weightDtypeOf(config.dtype) };
};
