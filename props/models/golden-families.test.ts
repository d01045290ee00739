/** Laws of the families: each computes what transformers does, on every device. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile, type Device, dispose, div, mul, neg, read, sum, tensor, valueAndGrad } from "../../core/index.js";
import { parseConfig } from "../../models/config.js";
import type { JsonObject } from "../../models/files/json.js";
import { loadModel } from "../../models/files/load.js";
import { saveModel } from "../../models/files/save.js";
import { openWeights } from "../../models/files/weights.js";
import { generator } from "../../models/generation/generate.js";
import type { Params } from "../../models/parameters.js";
import { device as deviceNamed, presentDevices } from "../devices.js";
import { FAMILIES, familyJson, type GoldenFamily, withFamily } from "../golden/families.js";
import { type Sketch, sketchedDistance, sketchOf } from "./sketch.js";
import { tokenLogps } from "./token-logps.js";

interface Values {
  /** Tokens of a row before the first that counts in the loss. */
  readonly firstTarget: number;
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Sketch>>;
}

/** Token log-probabilities, and relative L2 errors of gradients. The values carry about 1e-6. */
const toleranceOf = (device: Device) =>
  device.name === "reference" ? { logp: 2e-5, grad: 5e-5 } : { logp: 1e-4, grad: 2e-4 };

/** Of rows in one padded batch: the log-probability of every token, and the gradient of the mean loss. */
const checkNumbers = async (name: GoldenFamily, folder: string, device: Device, checkpoint: boolean) => {
  const { config, params } = loadModel(folder, device);
  const { ids, token_logps: logps } = familyJson<{ ids: number[][]; token_logps: number[][] }>(name, "logprobs.json");
  const { firstTarget, loss, gradients } = familyJson<Values>(name, "gradients.json");
  const limits = toleranceOf(device);
  const T = Math.max(...ids.map((row) => row.length));
  const batch = tensor(
    ids.flatMap((row) => [...row, ...new Array<number>(T - row.length).fill(0)]),
    [ids.length, T],
    "i32",
  );
  const kept = tensor(
    ids.flatMap((row) => Array.from({ length: T - 1 }, (_, t) => Number(t + 1 >= firstTarget && t + 1 < row.length))),
    [ids.length, T - 1],
  );
  const meanLoss = (p: Params) => {
    const scores = tokenLogps(p, config, batch, { checkpoint });
    return [div(neg(sum(mul(scores, kept))), sum(kept)), scores] as [typeof scores, typeof scores];
  };
  const result = compile(valueAndGrad(meanLoss, { hasAux: true }), device)(params);
  const [[value, scores], slopes] = result;
  const got = await read(scores);
  let furthest = 0;
  for (const [b, row] of logps.entries())
    for (const [t, wanted] of row.entries()) furthest = Math.max(furthest, Math.abs(got[b * (T - 1) + t] - wanted));
  assert.ok(furthest <= limits.logp, `log-probabilities: ${furthest}`);
  assert.ok(Math.abs((await read(value))[0] - loss) < 1e-4, "loss");
  assert.deepEqual(Object.keys(gradients).sort(), Object.keys(params).sort(), "a gradient for each parameter");
  let worst = 0;
  for (const [parameter, wanted] of Object.entries(gradients)) {
    const distance = sketchedDistance(sketchOf(await read(slopes[parameter])), wanted);
    assert.ok(distance <= limits.grad, `gradient of ${parameter}: ${distance}`);
    worst = Math.max(worst, distance);
  }
  dispose(result, params);
  return `log-probabilities ${furthest.toExponential(1)}, gradients ${worst.toExponential(1)}`;
};

const checkGreedy = async (name: GoldenFamily, folder: string, device: Device) => {
  const { config, params } = loadModel(folder, device);
  const values = familyJson<{ prompt: number[]; greedy: number[]; smallest_gap: number }>(name, "greedy.json");
  const { prompt, greedy, smallest_gap: gap } = values;
  const options = { maxNewTokens: greedy.length - prompt.length, greedy: true, eosIds: [] };
  const [continued] = await generator(config, device)(params, [prompt], options);
  assert.equal(continued.length, greedy.length);
  // Where two tokens are nearly as likely, the device's rounding may choose the other one.
  if (gap > 1e-3 || device.name === "reference") assert.deepEqual(continued, greedy);
  dispose(params);
};

for (const deviceName of await presentDevices())
  for (const name of FAMILIES)
    test(`${name}: log-probabilities, every gradient and a greedy continuation [${deviceName}]`, async (t) => {
      const device = await deviceNamed(deviceName);
      const spelling = deviceName === "reference" ? "config.json" : "config.published.json";
      await withFamily(name, spelling, async (folder) => {
        t.diagnostic(await checkNumbers(name, folder, device, deviceName === "cpu"));
        await checkGreedy(name, folder, device);
      });
    });

for (const name of FAMILIES) {
  test(`${name}: the published spelling means the same`, () => {
    const [now, published] = ["config.json", "config.published.json"].map((file) => {
      const { raw: _, ...config } = parseConfig(familyJson<JsonObject>(name, file), file);
      return config;
    });
    assert.deepEqual(published, now);
  });

  test(`${name}: saved, it is the folder that was loaded`, () =>
    withFamily(name, "config.published.json", async (folder) => {
      const target = join(folder, "saved");
      await saveModel(target, loadModel(folder), { from: folder });
      const [before, after] = [openWeights(folder), openWeights(target)];
      assert.deepEqual(after.names, before.names);
      for (const weight of before.names) {
        assert.deepEqual(after.info(weight), before.info(weight));
        assert.deepEqual(after.read(weight), before.read(weight));
      }
      assert.deepEqual(loadModel(target).config, loadModel(folder).config);
      // Whole numbers of float fields too are spelled as they were; exponents are not.
      const [lines, written] = [folder, target].map((at) => readFileSync(join(at, "config.json"), "utf8").split("\n"));
      for (const line of lines) if (!line.includes("e-0")) assert.ok(written.includes(line), line);
      assert.deepEqual(readdirSync(target).sort(), ["config.json", "generation_config.json", "model.safetensors"]);
    }));
}
