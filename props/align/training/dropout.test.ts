/** Dropout of an adapter: keyed, in training steps alone, and as the definition has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sequenceSource } from "../../../align/data/source.js";
import { completionObjective } from "../../../align/objectives/objective.js";
import { adapterTraining } from "../../../align/training/adapter.js";
import { dropoutMasks } from "../../../align/training/dropout.js";
import { batchTensors } from "../../../align/training/reference.js";
import {
  add,
  dispose,
  evaluate,
  InputError,
  key,
  matmul,
  mul,
  tensor,
  transpose,
  treeMap,
} from "../../../core/index.js";
import { factorNames } from "../../../models/parameters.js";
import { linear } from "../../../models/projections.js";
import { run } from "../../close.js";
import { integers } from "../../generators/generators.js";
import { tinyConfig, tinyModel } from "../../generators/tiny-models.js";
import { check } from "../../law.js";

const config = tinyConfig({ num_hidden_layers: 2 });
const options = { rank: 2, alpha: 4, seed: 3 };

check(
  "lora_dropout: masks are 0 or 1/(1−p), a share 1−p of them kept, each module's and each key's its own",
  async (device) => {
    const p = 0.25;
    const drawn = async (seed: number): Promise<Record<string, readonly number[]>> => {
      const masks = dropoutMasks(config, options, { p, key: key(seed), rows: [8, 16] });
      const numbers = await run(() => Object.values(masks), [], device);
      return Object.fromEntries(Object.keys(masks).map((name, i) => [name, [...numbers[i]]]));
    };
    const [first, again, other] = [await drawn(1), await drawn(1), await drawn(2)];
    assert.deepEqual(first, again);
    const all = Object.values(first);
    assert.equal(new Set(all.map((mask) => mask.slice(0, 200).join())).size, all.length);
    for (const [name, mask] of Object.entries(first)) {
      assert.notDeepEqual(mask, other[name]);
      assert.ok(mask.every((x) => x === 0 || Math.abs(x - 1 / (1 - p)) < 1e-6));
      const kept = mask.filter((x) => x > 0).length / mask.length;
      assert.ok(Math.abs(kept - (1 - p)) < 5 * Math.sqrt((p * (1 - p)) / mask.length), `${name}: ${kept}`);
    }
  },
);

check("lora_dropout: only what the adapter reads is dropped: x Wᵀ + (x·d Aᵀ) Bᵀ", async (device) => {
  const name = "self_attn.q_proj";
  const { a, b, d } = factorNames(`${name}.weight`);
  const numbers = (shape: readonly number[], seed: number) => mul(1 / 8, integers(shape, seed, -8, 8, "f32"));
  const [x, W, A, B] = [numbers([2, 3, 4], 1), numbers([5, 4], 2), numbers([2, 4], 3), numbers([5, 2], 4)];
  const mask = tensor([0, 2, 0, 2, 2, 2, 0, 0, 2, 0, 2, 0, 0, 2, 2, 0, 2, 2, 2, 2, 0, 0, 0, 2], [2, 3, 4]);
  const params = { [`${name}.weight`]: W, [a]: A, [b]: B, [d]: mask };
  const low = matmul(matmul(mul(x, mask), transpose(A)), transpose(B));
  const [found, expected] = await run(
    () => [linear(x, params, name, false, config), add(matmul(x, transpose(W)), low)],
    [],
    device,
  );
  assert.deepEqual([...found], [...expected]);
});

check(
  "lora_dropout: a batch with a key loses some of what it reads, and one without none",
  async (device) => {
    const { params } = tinyModel(config, device);
    const plain = completionObjective(config);
    const base = { config, params };
    const made = (dropout?: number) => adapterTraining(plain, base, { ...options, dropout }, device);
    const [dry, wet] = [made(), made(0.5)];
    assert.deepEqual([dry.objective.drops, wet.objective.drops], [false, true]);
    const rows = [{ ids: [1, 2, 3, 4, 5], completionStart: 1 }];
    const batch = batchTensors(sequenceSource(rows, { batchSize: 1, padId: 0 }).at(0), false);
    const factors = evaluate(
      treeMap((t) => add(t, 0.1), wet.factors),
      device,
    );
    const loss = async (objective: typeof plain, seed?: number): Promise<number> => {
      const seen = seed === undefined ? batch : { ...batch, dropoutKey: key(seed) };
      const [[found]] = await run((p: typeof factors) => [objective.sums(p, seen)[0]], [factors], device);
      return found;
    };
    assert.equal(await loss(wet.objective), await loss(dry.objective));
    const [one, same, two] = [await loss(wet.objective, 1), await loss(wet.objective, 1), await loss(wet.objective, 2)];
    assert.equal(one, same);
    assert.ok(one !== two && one !== (await loss(dry.objective)));
    dispose(dry.factors, wet.factors, factors, params);
  },
  ["cpu", "reference"],
);

test("lora_dropout: out of range, and beside DoRA or an adapted output matrix, it is refused", () => {
  const base = { config, params: {} };
  for (const given of [
    { dropout: 1 },
    { dropout: -0.1 },
    { dropout: 0.1, dora: true },
    { dropout: 0.1, targets: ["lm_head"] },
  ])
    assert.throws(() => adapterTraining(completionObjective(config), base, given, undefined as never), InputError);
});
