import { sizeOf, tensor } from "../../../core/index.js";
import { type Model, openWeights, parameterShapes, readConfig, weightDtypeOf } from "../../../models/index.js";

/**
 * A model folder as `loadModel` gives it, with zeros for weights that take no memory: what a dry run plans with.
 * Errors: InputError for a configuration or weight files whose headers are wrong.
 */
export const shapeModel = (folder: string): Model => {
  const config = readConfig(folder);
  const { layout, has, info } = openWeights(folder);
  const shapes = [...parameterShapes(config)];
  const most = Math.max(...shapes.map(([, shape]) => sizeOf(shape)));
  const zeros = { f32: new Float32Array(most), half: new Uint16Array(most) };
  const params = shapes.map(([name, shape]) => {
    const stored = has(name) ? info(name).dtype : "F32";
    const size = sizeOf(shape);
    const t =
      stored === "BF16" || stored === "F16"
        ? tensor(zeros.half.subarray(0, size), shape, stored === "BF16" ? "bf16" : "f16")
        : tensor(zeros.f32.subarray(0, size), shape);
    return [name, t] as const;
  });
  return { config, params: Object.fromEntries(params), layout, dtype: weightDtypeOf(config.dtype) };
};
