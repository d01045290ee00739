import { constantData, encodeHalves, isHalf, sizeOf, type Tensor, tensor } from "../../core/index.js";
import type { Model, ModelConfig, Params } from "../../models/index.js";
import type { TrainingValues } from "../options/takes.js";

/** A configuration whose layers round what their products take, where `precision` asks for that. */
export const precise = <C extends ModelConfig>(config: C, { precision }: TrainingValues): C =>
  precision === "f32" ? config : { ...config, precision };

/** Numbers of a weight in bf16, rounded to nearest even. */
const inBf16 = (t: Tensor): Uint16Array<ArrayBuffer> => {
  const bits = new Uint16Array(sizeOf(t.shape));
  encodeHalves(Float32Array.from(constantData(t).data), "bf16", bits);
  return bits;
};

/**
 * A model on the host as `dtype` and `precision` ask for it: with bfloat16 its f32 weights are rounded, policy, reference and
 * what lies below an adapter alike. In a rehearsal (`planned`) they are zeros that take no memory.
 */
export const asAsked = (model: Model, values: TrainingValues, planned: boolean): Model => {
  const config = precise(model.config, values);
  if (values.dtype !== "bfloat16") return { ...model, config };
  const entries = Object.entries(model.params);
  const most = planned ? Math.max(...entries.map(([, { shape }]) => sizeOf(shape))) : 0;
  const zeros = new Uint16Array(most);
  const params: Params = Object.fromEntries(
    entries.map(([name, t]) => {
      if (isHalf(t.dtype)) return [name, t];
      return [name, tensor(planned ? zeros.subarray(0, sizeOf(t.shape)) : inBf16(t), t.shape, "bf16")];
    }),
  );
  return { ...model, config, params };
};
