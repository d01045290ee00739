/** The example configurations, read as a run reads them. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import { resolveValues } from "../../../cli/config.js";
import { optimizerSettings } from "../../../run/checks/check.js";
import { evalStrategy } from "../../../run/parts/cadence.js";
import { projectRoot } from "../../golden/files.js";

/** Of runs; a grid of them is read in props/run/compare. */
const files = readdirSync(join(projectRoot, "configs")).filter((name) => /(?<!^compare)\.yaml$/.test(name));

test("configs: three models by three optimizers", () => {
  const models = ["llama-3-8b", "qwen1.5-1.8b", "qwen1.5-7b"];
  const expected = models.flatMap((model) => ["adamw", "ondare", "onties"].map((optim) => `${model}-${optim}.yaml`));
  assert.deepEqual(files.sort(), expected.sort());
});

for (const file of files)
  test(`configs: ${file} holds only known keys with good values, and the paper's settings`, async () => {
    const values = await resolveValues("dpo", new Map([["config", join(projectRoot, "configs", file)]]));
    const optimizer = trainingOptimizer(optimizerSettings(values));
    assert.equal(optimizer.usesTau, values.optim !== "adamw");
    assert.equal(optimizer.usesTau, values.base_model_name_or_path !== undefined);
    assert.equal(evalStrategy(values), "no");
    assert.equal(values.per_device_train_batch_size * values.gradient_accumulation_steps, 128);
    const { beta, learning_rate, num_train_epochs, lr_scheduler_type, warmup_steps, max_length } = values;
    assert.deepEqual(
      { beta, learning_rate, num_train_epochs, lr_scheduler_type, warmup_steps, max_length },
      {
        ...{ beta: 0.1, learning_rate: 1e-6, num_train_epochs: 2 },
        ...{ lr_scheduler_type: "cosine", warmup_steps: 100, max_length: 2048 },
      },
    );
    assert.ok(file.endsWith(`-${values.optim}.yaml`) && values.output_dir === `runs/${file.replace(".yaml", "")}`);
  });
