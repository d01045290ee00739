import { type Device, type DType, sizeOf, tensor, upload } from "../../core/index.js";
import {
  type Model,
  type ModelConfig,
  openWeights,
  type Params,
  parameterShapes,
  readConfig,
  weightDtypeOf,
} from "../../models/index.js";

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
 * A model folder as `loadModel` gives it, on the host or on a device, with zeros for weights: what a rehearsal plans with.
 * Errors: InputError for a configuration or weight files whose headers are wrong.
 */
export const shapeModel = (folder: string, device?: Device): Model => {
  const config = readConfig(folder);
  const { layout, has, info } = openWeights(folder);
  const params = shapeParams(config, (name) => (has(name) ? STORED[info(name).dtype] : undefined) ?? "f32");
  const placed = device === undefined ? params : upload(params, device);
  return { config, params: placed, layout, dtype: weightDtypeOf(config.dtype) };
};
