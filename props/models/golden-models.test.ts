import assert from "node:assert/strict";
import { test } from "node:test";
import { compile, type Device, dispose, div, mul, neg, read, sum, tensor, valueAndGrad } from "../../core/index.js";
import { loadModel, type Model } from "../../models/files/load.js";
import { generator } from "../../models/generation/generate.js";
import { logits } from "../../models/head.js";
import type { Params } from "../../models/parameters.js";
import { hiddenStates } from "../../models/transformer.js";
import { device as deviceNamed, presentDevices } from "../devices.js";
import { goldenJson } from "../golden/files.js";
import { goldenFolder, goldenTensors } from "../golden/stored.js";
import { tokenLogps } from "./token-logps.js";

/** Logits: largest error over the largest logit. Gradients: relative L2 error of each tensor. The values carry about 1e-6. */
const toleranceOf = (device: Device) =>
  device.name === "reference" ? { logits: 2e-5, grad: 5e-5 } : { logits: 2e-4, grad: 2e-4 };

const relative = (got: ArrayLike<number>, expected: ArrayLike<number>): number => {
  assert.equal(got.length, expected.length);
  let [error, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (got[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(error / norm);
};

/** Right-padded rows with labels, −100 where a token does not count. */
const goldenBatch = async (name: string) => {
  const golden = await goldenTensors(name, "golden.safetensors");
  const ids = golden.readIntegers("input_ids");
  const [B, T] = ids.shape;
  const labels = golden.readIntegers("labels").data;
  const kept = Float32Array.from({ length: B * (T - 1) }, (_, i) =>
    labels[Math.floor(i / (T - 1)) * T + (i % (T - 1)) + 1] === -100 ? 0 : 1,
  );
  return {
    golden,
    B,
    T,
    ids: tensor(ids.data, ids.shape),
    kept: tensor(kept, [B, T - 1]),
    mask: golden.readIntegers("attention_mask").data,
  };
};

const checkForwardAndBackward = async (name: string, model: Model, device: Device, checkpoint: boolean) => {
  const { golden, B, T, ids, kept, mask } = await goldenBatch(name);
  const limits = toleranceOf(device);
  const loss = (params: Params) => {
    const scores = logits(params, model.config, hiddenStates(params, model.config, ids, { checkpoint }));
    const logps = mul(tokenLogps(params, model.config, ids, { checkpoint }), kept);
    return [div(neg(sum(logps)), sum(kept)), { scores, sequences: sum(logps, 1) }] as [
      typeof ids,
      { scores: typeof ids; sequences: typeof ids },
    ];
  };
  const result = compile(valueAndGrad(loss, { hasAux: true }), device)(model.params);
  const [[value, { scores, sequences }], gradients] = result;

  const expected = golden.read("logits").data;
  const V = model.config.vocabSize;
  const got = await read(scores);
  assert.equal(got.length, expected.length);
  let [error, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    if (mask[Math.floor(i / V)] === 1) error = Math.max(error, Math.abs(got[i] - expected[i]));
  }
  assert.ok(error <= limits.logits * largest, `logits: ${error / largest}`);
  assert.ok(Math.abs((await read(value))[0] - golden.read("loss").data[0]) < 1e-4, "loss");
  const sums = await read(sequences);
  for (let b = 0; b < B; b++)
    assert.ok(Math.abs(sums[b] - golden.read("sequence_logps").data[b]) < 1e-3, `row ${b} of ${T} tokens`);

  const names = [...golden.tensors.keys()].filter((key) => key.startsWith("grad.")).map((key) => key.slice(5));
  assert.deepEqual(names.sort(), Object.keys(model.params).sort(), "a gradient for each parameter");
  let worst = 0;
  for (const parameter of names) {
    const distance = relative(await read(gradients[parameter]), golden.read(`grad.${parameter}`).data);
    assert.ok(distance <= limits.grad, `gradient of ${parameter}: ${distance}`);
    worst = Math.max(worst, distance);
  }
  dispose(result);
  return `logits ${(error / largest).toExponential(1)}, gradients ${worst.toExponential(1)}`;
};

for (const deviceName of await presentDevices()) {
  for (const name of ["qwen1.5-tiny", "qwen2-gqa-tied-tiny", "llama3-tiny"]) {
    test(`${name}: logits, loss, every gradient, checkpointed or not [${deviceName}]`, async (t) => {
      const device = await deviceNamed(deviceName);
      const model = await loadModel(goldenFolder(name), device);
      for (const checkpoint of [false, true])
        t.diagnostic(await checkForwardAndBackward(name, model, device, checkpoint));
      dispose(model.params);
    });

    test(`${name}: token log-probabilities and greedy continuation [${deviceName}]`, async () => {
      const device = await deviceNamed(deviceName);
      const model = await loadModel(goldenFolder(name), device);
      const { ids, token_logps: expected } = goldenJson<{ ids: number[][]; token_logps: number[][] }>(
        name,
        "logprobs.json",
      );
      const logps = compile(
        (params: Params, row: (typeof model.params)[string]) => tokenLogps(params, model.config, row),
        device,
      );
      for (const [i, row] of ids.entries()) {
        const out = logps(model.params, tensor(Int32Array.from(row), [1, row.length]));
        const got = await read(out);
        assert.equal(got.length, expected[i].length);
        got.forEach((x, at) => {
          assert.ok(Math.abs(x - expected[i][at]) < 1e-3, `row ${i}, token ${at + 1}: ${x}`);
        });
        dispose(out);
      }
      const {
        prompt,
        greedy,
        smallest_gap: gap,
      } = goldenJson<{ prompt: number[]; greedy: number[]; smallest_gap: number }>(name, "greedy.json");
      const [continued] = await generator(model.config, device)(model.params, [prompt], {
        maxNewTokens: greedy.length - prompt.length,
        greedy: true,
        eosIds: [],
      });
      assert.equal(continued.length, greedy.length);
      // Where two tokens are nearly as likely, the device's rounding may choose the other one.
      if (gap > 1e-3 || deviceName === "reference") assert.deepEqual(continued, greedy);
      dispose(model.params);
    });
  }
}
