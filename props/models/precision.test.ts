/** A model whose linear maps and attention round their operands to f16 stays close to the same model in f32, 24 layers deep. */
import assert from "node:assert/strict";
import { type Device, dispose, mean, type Tensor, valueAndGrad } from "../../core/index.js";
import type { ModelConfig } from "../../models/config.js";
import type { Params } from "../../models/parameters.js";
import { run } from "../close.js";
import { integers } from "../generators/generators.js";
import { tinyConfig, tinyModel } from "../generators/tiny-models.js";
import { hasUnits, webgpuCheck } from "../kernels/webgpu/webgpu-variants.js";
import { check } from "../law.js";
import { tokenLogps } from "./token-logps.js";

/** ‖x − y‖ / ‖y‖. */
const distance = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  let [off, all] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    off += (x[i] - y[i]) ** 2;
    all += y[i] ** 2;
  }
  return Math.sqrt(off / Math.max(all, 1e-60));
};

const close = async (device: Device): Promise<void> => {
  const config = tinyConfig({ num_hidden_layers: 24, hidden_size: 32, intermediate_size: 48 });
  const { params } = tinyModel(config, device);
  const ids = integers([2, 12], 5, 0, config.vocabSize - 1);
  const numbersOf = (own: ModelConfig) =>
    run(
      (p: Params, tokens: Tensor) => valueAndGrad((weights: Params) => mean(tokenLogps(weights, own, tokens)))(p),
      [params, ids],
      device,
    );
  const [rounded, plain] = [await numbersOf({ ...config, precision: "f16" }), await numbersOf(config)];
  dispose(params);
  assert.ok(
    plain.some((numbers, i) => distance(rounded[i], numbers) > 0),
    "rounding changes something",
  );
  assert.ok(distance(rounded[0], plain[0]) < 1e-3, `loss ${rounded[0][0]} for ${plain[0][0]}`);
  for (const [i, numbers] of plain.entries())
    assert.ok(distance(rounded[i], numbers) < 2e-2, `leaf ${i}: ${distance(rounded[i], numbers)}`);
};

const name = "24 layers with f16 operands: loss within 1e-3, and every gradient within 2e-2 in relative norm, of f32";
check(name, close, ["cpu"]);
if (hasUnits) webgpuCheck(name, close, ["gpu"]); // elsewhere the operands are rounded by the same map as on cpu
