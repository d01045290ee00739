/** A step whose loss or gradients are not finite changes nothing, and is named. */
import assert from "node:assert/strict";
import type { TrainingBatch } from "../../../align/data/rows.js";
import { batchesFrom, pairSource } from "../../../align/data/source.js";
import { InputError, read } from "../../../core/index.js";
import { type Numbers, numbersOf, pairs, type Setting, shared, trainTiny } from "../../generators/tiny-training.js";
import { check } from "../../law.js";

const source = pairSource(pairs, { ...shared, batchSize: 2 });

/** The batches, with the reference's verdict on one of them replaced. */
function* poisoned(at: number, verdict: number): Generator<TrainingBatch> {
  let index = 0;
  for (const batch of batchesFrom(source)) {
    const reference = new Float32Array(batch.rows).fill(-3);
    if (index === at) reference[1] = verdict;
    yield { ...batch, reference, rowIds: [`row ${2 * index}`, `row ${2 * index + 1}`] };
    index++;
  }
}

const setting: Setting = { steps: 20, learningRate: 0.01, accumulation: 2, loggingSteps: 100 };

// Steps take 2, 1, 2, 1, … batches: an epoch has three. An infinite loss of a pair comes with a finite gradient, −β.
for (const [what, verdict, said] of [
  ["NaN", Number.NaN, /^step 5: the loss is NaN, and the gradient of "\S+" holds NaN at element 0 /],
  ["an infinite loss", Number.POSITIVE_INFINITY, /^step 5: the loss is Infinity /],
] as const)
  check(`${what} in step 5 is found though nothing is logged, and leaves what step 4 left`, async (device) => {
    let healthy: Numbers | undefined;
    await trainTiny("dpo", { ...setting, steps: 4, batches: poisoned(-1, 0) }, device, async ({ step, params }) => {
      if (step === 4) healthy = await numbersOf(params, read);
    });
    let steps = 0;
    let rescued: unknown;
    const run = trainTiny(
      "dpo",
      {
        ...setting,
        batches: poisoned(6, verdict),
        rescue: async ({ step, batches, state }, params) => {
          const log = await read(state.log);
          rescued = { step, batches, failed: log[log.length - 1], weights: await numbersOf(params, read) };
        },
      },
      device,
      () => steps++,
    );
    const failure: unknown = await run.then(
      () => "it ended well",
      (error: unknown) => error,
    );
    assert.ok(failure instanceof InputError, String(failure));
    assert.match(failure.message, said);
    assert.match(failure.message, /\(rows row 12, row 13\); the weights are those of step 4; [^\n]+$/);
    assert.deepEqual(rescued, { step: 4, batches: 6, failed: 0, weights: healthy });
    assert.ok(steps > 5 && steps < 14, `found after step ${steps}: later than it happened, and before the end`);
  });

check(
  "an error of the batches after step 4 hands out what step 4 left, once, and is the error that is told",
  async (device) => {
    function* broken(): Generator<TrainingBatch> {
      let taken = 0;
      for (const batch of batchesFrom(source)) {
        if (taken++ === 6) throw new InputError("the rows are gone");
        yield batch;
      }
    }
    let healthy: Numbers | undefined;
    const rescued: unknown[] = [];
    const live = device.stats().liveBuffers;
    const run = trainTiny(
      "dpo",
      {
        ...setting,
        batches: broken(),
        rescue: async ({ step, batches, state }, params) => {
          assert.equal((await read(state.optimizer.step))[0], 4);
          rescued.push({ step, batches, weights: await numbersOf(params, read) });
          throw new Error("there is no room to save it");
        },
      },
      device,
      async ({ step, params }) => {
        if (step === 4) healthy = await numbersOf(params, read);
      },
    );
    await assert.rejects(run, /^InputError: the rows are gone$/);
    assert.deepEqual(rescued, [{ step: 4, batches: 6, weights: healthy }]);
    assert.equal(device.stats().liveBuffers, live, "nothing stays");
  },
  ["reference", "cpu"],
);
