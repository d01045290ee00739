/** DPO of one model shape with random weights, AdamW in f32: tokens a second, and the memory it takes against its plan. */
import assert from "node:assert/strict";
import { preferenceObjective, train } from "../../align/index.js";
import { type Device, evaluate, key } from "../../core/index.js";
import { describeAdapters, plannerOfReport } from "../../kernels/index.js";
import { chosenOf } from "../../kernels/webgpu/adapter/find.js";
import { initParams, type ModelConfig, parseConfig } from "../../models/index.js";
import { adamW } from "../../optim/index.js";
import { planningDevice } from "../../run/dry-run/planning-device.js";
import { NAMES, SHAPES, type ShapeName } from "../shapes.js";
import { figure, isOutOfMemory, part, skipped } from "./part.js";

interface Size {
  readonly config: ModelConfig;
  readonly pairs: number;
  readonly length: number;
}

/** A model of the same family that a software adapter can train. */
const reduced = (config: ModelConfig): ModelConfig =>
  parseConfig({
    ...config.raw,
    ...{ num_hidden_layers: 2, hidden_size: 64, intermediate_size: 176, vocab_size: 512 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16 },
  });

/** Pairs of random tokens, the same at every step, all learned; of each the reference says 0. */
const batches = function* ({ config, pairs, length }: Size) {
  const rows = 2 * pairs;
  const ids = Int32Array.from(
    { length: rows * length },
    (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 1) % config.vocabSize,
  );
  const mask = new Float32Array(rows * length).fill(1);
  for (;;) yield { ids, mask, rows, length, reference: new Float32Array(rows) };
};

const [LEAST, MOST] = [3, 24];

interface Run {
  /** Seconds of each step. */
  readonly times: readonly number[];
  readonly losses: readonly number[];
  /** Bytes at the busiest moment. */
  readonly peak: number;
}

/** Trains until `isOver` says so, and for three steps at the least. */
const run = async (size: Size, device: Device, isOver: () => boolean): Promise<Run> => {
  const params = evaluate(initParams(size.config, key(0)), device);
  const steps = train(
    {
      ...{
        objective: preferenceObjective(size.config, { checkpoint: size.config.layers }),
        params,
        optimizer: adamW(),
      },
      ...{ batches: batches(size), steps: MOST, learningRate: 1e-5, loggingSteps: 1, scheduler: "constant" },
    },
    device,
  );
  const [times, losses]: [number[], number[]] = [[], []];
  for (let before = performance.now(); ; before = performance.now()) {
    const { value, done } = await steps.next();
    if (done) break;
    times.push((performance.now() - before) / 1e3);
    if (value.record !== undefined) losses.push(value.record.loss);
    if (times.length >= LEAST && isOver()) break;
  }
  await steps.return(undefined as never);
  return { times, losses, peak: device.stats().peakBytes };
};

await part(async ({ device, adapter, software, left, of = "a" }) => {
  const shape = of as ShapeName;
  const name = `dpo (${shape}) ${NAMES[shape]}`;
  const size: Size = software
    ? { config: reduced(SHAPES[shape]), pairs: 1, length: 64 }
    : { config: SHAPES[shape], pairs: 1, length: 1024 };
  const reports = await describeAdapters();
  const at = adapter === undefined ? 0 : chosenOf(reports, adapter);
  const planned = await run(size, planningDevice(await plannerOfReport(reports[at])), () => true);
  try {
    const { times, losses, peak } = await run(size, device, () => left() < 8);
    const rest = times.slice(1).sort((a, b) => a - b);
    const median = rest[rest.length >> 1];
    assert.ok(losses.every(Number.isFinite) && losses[losses.length - 1] < losses[0], `the loss falls: ${losses}`);
    const tokens = 2 * size.pairs * size.length;
    const small = software ? ", a small model for a software adapter" : "";
    const about = `${size.pairs} pair of ${size.length} tokens, AdamW, f32${small}`;
    figure(`${name}, speed`, tokens / median, "tokens/s", {
      note: `${about}; ${(1e3 * median).toFixed(0)} ms a step, first ${times[0].toFixed(1)} s`,
      peers: software ? [] : ["f32", "bf16"].map((type) => `dpo_${NAMES[shape].toLowerCase()}_${type}_tokens_per_s`),
    });
    const off = (100 * (peak / planned.peak - 1)).toFixed(1);
    figure(`${name}, peak`, peak / 2 ** 30, "GiB", {
      note: `planned ${(planned.peak / 2 ** 30).toPrecision(4)}: ${off} % off`,
    });
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    skipped(name, `planned ${(planned.peak / 2 ** 30).toPrecision(4)} GiB: ${(error as Error).message.split("\n")[0]}`);
  }
});
