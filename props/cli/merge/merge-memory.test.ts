/** Merging holds one tensor's copies at a time: what is read when, and what lies on the device then. */
import assert from "node:assert/strict";
import { sizeOf } from "../../../core/index.js";
import { sideFilesOf } from "../../../models/files/side-files.js";
import { planMerge } from "../../../run/merge/plan.js";
import { readRecipe } from "../../../run/merge/recipe.js";
import { runMerge } from "../../../run/merge/run.js";
import { check } from "../../law.js";
import { at, model, recipe } from "./merge-models.js";

const [base, a, b] = await Promise.all(
  [1, 2, 3].map((seed) => model(`m${seed}`, { seed, change: { num_hidden_layers: 1 } })),
);

check(
  "merge: a tensor's copies are read one after the other, and are gone before the next tensor's",
  async (device) => {
    const content = {
      merge_method: "dare_ties",
      base_model: base,
      models: [a, b].map((folder) => ({ model: folder, parameters: { weight: 0.5, density: 0.5 } })),
    };
    const read = await readRecipe(recipe("memory", content));
    const plan = planMerge(read);
    const before = device.stats().liveBytes;
    /** Each tensor read from a model, with the device's bytes at that moment. */
    const reads: { readonly name: string; readonly bytes: number }[] = [];
    for (const { weights } of [plan.donor, ...plan.models]) {
      const values = weights.read;
      Object.assign(weights, {
        read: (name: string) => {
          reads.push({ name, bytes: device.stats().liveBytes - before });
          return values(name);
        },
      });
    }
    const target = { folder: at(`memory-${device.name}`), tokenizer: sideFilesOf(base), seed: 1, shardSize: undefined };
    let done = 0;
    await runMerge(plan, read, target, device, (count) => {
      done = count;
      assert.equal(reads.length, 3 * done, "nothing is read ahead");
    });
    assert.equal(done, plan.tensors.length);
    // An element takes 8 bytes on the reference device, and WebGPU rounds buffers up.
    const wide = device.name === "reference" ? 8 : 4;
    const sizes = new Map(plan.tensors.map(({ name, shape }) => [name, 16 * Math.ceil((wide * sizeOf(shape)) / 16)]));
    for (const [i, { name, bytes }] of reads.entries()) {
      assert.equal(name, reads[i - (i % 3)].name, "three copies of one tensor");
      assert.ok(bytes <= (i % 3) * (sizes.get(name) as number), `${bytes} bytes before copy ${i % 3} of ${name}`);
    }
    assert.equal(device.stats().liveBytes, before);
  },
);
