/** What follows a run: averages that are handed out, references that move. TRL's own numbers too. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import fc from "fast-check";
import { readRows, rowsOfKind } from "../../../align/data/data.js";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import { tokenizePairs } from "../../../align/data/tokenize.js";
import { preferenceObjective } from "../../../align/objectives/objective.js";
import { trainingOptimizer } from "../../../align/training/optimizer.js";
import type { Position } from "../../../align/training/options.js";
import { loadTree, saveTree } from "../../../align/training/state-file.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, dispose, evaluate, InputError, read, scalar, tensor } from "../../../core/index.js";
import { loadModel } from "../../../models/files/load.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { begun, bema, type Follower, mixing, moved } from "../../../optim/index.js";
import {
  farthest,
  limitOf,
  type Numbers,
  numbersOf,
  pairs,
  type Setting,
  shared,
  tinyParams,
  trainTiny,
} from "../../generators/tiny-training.js";
import { goldenJson, goldenPath } from "../../golden/files.js";
import { check, law } from "../../law.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-following-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const usual: Setting = { steps: 4, learningRate: 0.01 };

/** What a follower keeps of one weight after each step of a path. */
const path = async (follower: Follower, start: number, ws: readonly number[], device: Device) => {
  let kept = evaluate(begun(follower, { w: tensor([start]) }), device);
  const out: number[] = [];
  for (const [i, w] of ws.entries()) {
    const by = follower.moveAt(i + 1);
    if (by !== undefined) {
      const data = Object.fromEntries(Object.entries(by).map(([name, x]) => [name, scalar(x)]));
      const next = evaluate(moved(follower, kept, { w: tensor([w]) }, data), device);
      dispose(kept);
      kept = next;
    }
    out.push((await read(kept.weights.w))[0]);
  }
  dispose(kept);
  return out;
};

const near = (got: readonly number[], want: readonly number[], device: Device) => {
  const limit = device.name === "reference" ? 1e-12 : 1e-5;
  for (const [i, x] of want.entries())
    assert.ok(Math.abs(got[i] - x) <= limit * (1 + Math.abs(x)), `${got} is not ${want}`);
};

const eighths = fc.integer({ min: -16, max: 16 }).map((n) => n / 8);
const walks = fc.record({ start: eighths, ws: fc.array(eighths, { minLength: 1, maxLength: 9 }) });

law(
  "BEMA is its formula: burn-in, moves every so many steps, what is handed out between them stays",
  fc.record({
    walk: walks,
    every: fc.integer({ min: 1, max: 3 }),
    burnIn: fc.integer({ min: 0, max: 3 }),
    emaPower: fc.constantFrom(0, 0.5, 1),
    biasPower: fc.constantFrom(0, 0.2, 1),
  }),
  async ({ walk: { start, ws }, every, burnIn, emaPower, biasPower }, device) => {
    const want: number[] = [];
    let [origin, ema, out] = [start, start, start];
    for (const [i, w] of ws.entries()) {
      const t = i + 1;
      if (t === burnIn) [origin, ema] = [w, w];
      else if (t > burnIn && (t - burnIn) % every === 0) {
        const beta = (10 + t) ** -emaPower;
        ema += beta * (w - ema);
        out = (10 + t) ** -biasPower * (w - origin) + ema;
      }
      want.push(out);
    }
    near(await path(bema({ every, after: burnIn, emaPower, biasPower }), start, ws, device), want, device);
  },
  { effort: 0.4 },
);

law(
  "a mixing reference is (1−a)·θ_ref + a·θ at every so many steps; a = 0 stays and a = 1 is θ, exactly",
  fc.record({ walk: walks, every: fc.integer({ min: 1, max: 3 }), a: fc.constantFrom(0, 0.25, 0.6, 1) }),
  async ({ walk: { start, ws }, every, a }, device) => {
    const want: number[] = [];
    let at = start;
    for (const [i, w] of ws.entries()) {
      if ((i + 1) % every === 0) at = (1 - a) * at + a * w;
      want.push(at);
    }
    const got = await path(mixing({ mixup: a, every }), start, ws, device);
    if (a === 0 || a === 1)
      assert.ok(
        got.every((x, i) => x === want[i]),
        `${got} is not ${want}`,
      ); // 0 or −0
    else near(got, want, device);
  },
  { effort: 0.4 },
);

check(
  "TR-DPO with α = 0 is DPO, bit for bit; hard at every step, its loss is log 2 from the second step on",
  async (device) => {
    const plain = await trainTiny("dpo", usual, device);
    const still = await trainTiny(
      "dpo",
      { ...usual, referenceFollows: { by: mixing({ mixup: 0, every: 1 }) } },
      device,
    );
    assert.deepEqual(still, plain);
    const hard = await trainTiny("dpo", { ...usual, referenceFollows: { by: mixing({ mixup: 1, every: 1 }) } }, device);
    for (const { step, loss } of hard.records)
      if (step > 1) assert.ok(Math.abs(loss - Math.LN2) < limitOf(device), `${loss} at step ${step}`);
  },
  ["reference", "cpu"],
);

/** Both followers at once, of which the reference follows the average; odd steps, so that they move at different ones. */
const both: Setting = {
  ...usual,
  steps: 7,
  accumulation: 2,
  loggingSteps: 3,
  average: bema({ every: 2, after: 1 }),
  referenceFollows: { by: mixing({ mixup: 0.5, every: 3 }), of: "average" },
};

check(
  "followers, saved and loaded mid-run and under offload: the bits of the run that never stopped; nothing stays",
  async (device) => {
    const source = pairSource(pairs, { ...shared, shuffle: true, seed: 5, batchSize: 2 });
    const file = join(folder, `${device.name}.safetensors`);
    let position: Position = { step: 0, batches: 0, tokens: 0 };
    const live = device.stats().liveBuffers;
    const whole = await trainTiny(
      "dpo",
      { ...both, batches: batchesFrom(source) },
      device,
      async ({ step, snapshot }) => {
        if (step !== 4) return;
        const { state, ...at } = await snapshot();
        await saveTree(file, state);
        position = at;
      },
    );
    for (const offload of ["none", "optimizer"] as const) {
      const rest = await trainTiny(
        "dpo",
        {
          ...{ ...both, offload, batches: batchesFrom(source, position.batches) },
          resume: (initial) => ({
            ...position,
            state: loadTree(file, initial, offload === "none" ? device : undefined),
          }),
        },
        device,
      );
      assert.deepEqual(rest.weights, whole.weights);
      assert.deepEqual(
        rest.records,
        whole.records.filter(({ step }) => step > position.step),
      );
    }
    assert.equal(device.stats().liveBuffers, live, "nothing stays");
  },
  ["reference", "cpu"],
);

check(
  "in a run the average and the reference are those of its weights",
  async (device) => {
    const start = tinyParams(1, device);
    const seen: Numbers[] = [await numbersOf(start, read)];
    dispose(start);
    await trainTiny("dpo", both, device, async ({ snapshot }) => {
      seen.push(await numbersOf((await snapshot()).state.optimizer.params, read));
    });
    // Burn-in 1, moves after 3, 5, 7.
    const [name] = seen[0].keys();
    const at = (t: number) => (seen[t].get(name) as ArrayLike<number>)[0];
    let [ema, want] = [at(1), at(0)];
    for (const t of [3, 5, 7]) {
      ema += (10 + t) ** -0.5 * (at(t) - ema);
      want = (10 + t) ** -0.2 * (at(t) - at(1)) + ema;
    }
    const { weights } = await trainTiny("dpo", both, device);
    assert.ok(Math.abs((weights.get(name) as ArrayLike<number>)[0] - want) < limitOf(device));
    const unlike = farthest(weights, seen[7]);
    assert.ok(unlike > 1e-4, "an average that is the weights shows nothing");
  },
  ["reference", "cpu"],
);

check(
  "refused: a reference that moves where none is asked or its log-probabilities are known, and two averages",
  async (device) => {
    const refused = async (kind: "sft" | "dpo", setting: Partial<Setting>, words: RegExp) =>
      assert.rejects(trainTiny(kind, { ...usual, ...setting }, device), (error) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, words);
        return true;
      });
    const referenceFollows = { by: mixing({ every: 1 }) };
    await refused("sft", { referenceFollows }, /there is none/);
    const known = pairSource(pairs, { ...shared, batchSize: 2, reference: pairs.map(() => [-1, -2] as const) });
    await refused("dpo", { referenceFollows, batches: batchesFrom(known) }, /moves, and a batch brings/);
    await refused("dpo", { average: bema(), optimizer: { optim: "ema" } }, /second one/);
    await refused("dpo", { referenceFollows: { ...referenceFollows, of: "average" } }, /none is kept/);
    assert.throws(() => bema({ lag: 0, multiplier: 0 }), /it must be 1 at least/);
    assert.throws(() => mixing({ mixup: 1.5 }), /must lie in/);
  },
  ["cpu"],
);

/** TRL 1.13: DPOTrainer with sync_ref_model and a BEMACallback, rows in file order. */
interface Recorded {
  readonly beta: number;
  readonly batch: number;
  readonly max_length: number;
  readonly learning_rate: number;
  readonly weight_decay: number;
  readonly steps: number;
  readonly sync: { readonly mixup: number; readonly every: number };
  readonly bema: { readonly every: number; readonly after: number };
  readonly log: readonly { readonly loss: number; readonly grad_norm: number }[];
  /** Of each parameter of the average: how far it is from the start, and its first element. */
  readonly moved: Readonly<Record<string, number>>;
  readonly first: Readonly<Record<string, number>>;
}

check(
  "TR-DPO's losses and gradient norms are TRL's, and BEMA's weights",
  async (device) => {
    const trl = goldenJson<Recorded>("preferences", "following.json");
    const [policy, reference] = ["policy", "sft"].map((name) => loadModel(goldenPath("preferences", name)));
    const rows = rowsOfKind(await readRows(goldenPath("preferences", "chat.jsonl")), "paired");
    const tokenizer = loadTokenizer(goldenPath("preferences", "policy"));
    const { pairs } = tokenizePairs(rows, tokenizer, { maxLength: trl.max_length });
    const padId = tokenizer.padId as number;
    const options = {
      objective: preferenceObjective(policy.config, { beta: trl.beta, tokenMetrics: false }),
      params: policy.params,
      optimizer: trainingOptimizer({ weightDecay: trl.weight_decay }),
      batches: batchesFrom(pairSource(pairs, { batchSize: trl.batch, padId, shuffle: false })),
      ...{ steps: trl.steps, learningRate: trl.learning_rate, reference },
      average: bema(trl.bema),
      referenceFollows: { by: mixing(trl.sync) },
    };
    const off: number[] = [];
    const trained = await lastOf(train(options, device), ({ record = { step: 0, loss: Number.NaN } }) => {
      const { loss, grad_norm: norm } = trl.log[record.step - 1];
      off.push(Math.abs(record.loss - loss), Math.abs(record.grad_norm / norm - 1));
    });
    assert.equal(off.length, 2 * trl.steps);
    assert.ok(
      off.every((x) => x < 1e-3),
      `off by ${off}`,
    );
    for (const [name, t] of Object.entries(trained)) {
      const [now, start] = [await read(t), await read(policy.params[name])];
      const norm = Math.hypot(...Array.from(now, (x, i) => x - start[i]));
      assert.ok(Math.abs(norm / trl.moved[name] - 1) < 1e-2, `${name}: moved by ${norm}, not ${trl.moved[name]}`);
      assert.ok(Math.abs(now[0] - trl.first[name]) < 1e-4, `${name} begins with ${now[0]}, not ${trl.first[name]}`);
    }
    dispose(trained);
  },
  ["cpu"],
);
