/** Adapters on disk: what is saved is what is loaded, and what is no adapter of the model is refused by name. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { evaluate, InputError, key, mul, read, tensor } from "../../core/index.js";
import { openReference } from "../../kernels/reference/index.js";
import {
  initLora,
  type LoraOptions,
  loadAdapter,
  openSafetensors,
  saveAdapter,
  writeSafetensors,
} from "../../models/index.js";
import { scratch } from "../cli/cli.js";
import { tinyConfigs } from "../generators/tiny-models.js";
import { trainedConfig } from "../generators/tiny-training.js";

const folder = scratch();
const device = await openReference();

test("an adapter comes back as it was saved, whatever rank, α and targets", async () => {
  let count = 0;
  const options = fc.record<LoraOptions>({
    rank: fc.constantFrom(1, 3, undefined),
    alpha: fc.constantFrom(0.5, 8, undefined),
    targets: fc.constantFrom(undefined, ["q_proj"], ["mlp.up_proj", "v_proj"]),
  });
  await fc.assert(
    fc.asyncProperty(tinyConfigs(), options, async (config, choice) => {
      const place = join(folder, `${count++}`);
      const factors = evaluate(initLora(config, key(count), choice), device);
      await saveAdapter(place, { options: choice, factors }, "the base");
      const loaded = loadAdapter(place, config);
      assert.deepEqual([loaded.options.rank, loaded.options.alpha], [choice.rank ?? 16, choice.alpha ?? 32]);
      assert.deepEqual(Object.keys(loaded.factors).sort(), Object.keys(factors).sort());
      for (const [name, t] of Object.entries(factors)) {
        assert.deepEqual(loaded.factors[name].shape, t.shape);
        assert.deepEqual(Float32Array.from(await read(loaded.factors[name])), Float32Array.from(await read(t)));
      }
    }),
    { numRuns: 6 },
  );
});

test("factors that are missing, foreign, misshapen or not finite are refused by name; none are saved", async () => {
  const place = join(folder, "tampered");
  const choice = { rank: 2, alpha: 4, targets: ["v_proj"] };
  const factors = evaluate(initLora(trainedConfig, key(1), choice), device);
  await saveAdapter(place, { options: choice, factors }, "the base");
  const path = join(place, "adapter_model.safetensors");
  const whole = openSafetensors(path);
  const entries = [...whole.tensors.keys()].map((name) => ({ name, dtype: "F32" as const, ...whole.read(name) }));
  const [first, ...rest] = entries;
  const cases: readonly (readonly [typeof entries, RegExp])[] = [
    [rest, /lora_A.weight" is missing/],
    [[...entries, { ...first, name: "lm_head.weight" }], /"lm_head.weight" is no factor of a LoRA adapter/],
    [[...rest, { ...first, shape: [1, first.data.length] }], /is \[1,\d+\]; model and r call for \[2,/],
    [[...rest, { ...first, data: first.data.map(() => Number.NaN) }], /holds NaN at element 0/],
    [[...entries, { ...first, name: first.name.replace("v_proj", "x_proj") }], /no linear layer is called ".*x_proj"/],
    [[], /holds no factors/],
  ];
  for (const [changed, message] of cases) {
    writeSafetensors(path, changed);
    assert.throws(
      () => loadAdapter(place, trainedConfig),
      (e) => e instanceof InputError && message.test(e.message),
    );
  }
  const broken = { ...factors, [Object.keys(factors)[0]]: mul(tensor([[Number.POSITIVE_INFINITY]]), 1) };
  const never = join(folder, "never");
  await assert.rejects(saveAdapter(never, { options: choice, factors: evaluate(broken, device) }, ""), /diverged/);
  assert.ok(!existsSync(never));
});
