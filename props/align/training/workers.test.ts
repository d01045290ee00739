/** Several workers train the model that one would: shares of batches, gradients summed at their owners, slots shared out. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { batchesFrom } from "../../../align/data/source.js";
import { saveTree } from "../../../align/training/state-file.js";
import { ownersOf, shardOf } from "../../../align/training/workers/shard.js";
import { saveShared } from "../../../align/training/workers/state.js";
import { sumsOver } from "../../../align/training/workers/sums.js";
import { onWire } from "../../../align/training/workers/wire.js";
import { ALONE, type Workers } from "../../../align/training/workers/workers.js";
import {
  constantData,
  type Device,
  dispose,
  type Graph,
  type HostData,
  InputError,
  numbersOf,
  type Program,
  read,
  sizeOf,
  tensor,
  upload,
} from "../../../core/index.js";
import { openSafetensors } from "../../../models/files/safetensors.js";
import { launchedBy } from "../../../run/workers/launch.js";
import { leavesNothing } from "../../devices.js";
import { eighths } from "../../generators/generators.js";
import { kinds, ranked, type Setting, together } from "../../generators/ranked.js";
import { simulatedWorkers } from "../../generators/simulated-workers.js";
import { farthest, limitOf, tinyParams } from "../../generators/tiny-training.js";
import { check, law } from "../../law.js";

function* take<T>(all: Iterable<T>, count: number): Generator<T> {
  let i = 0;
  for (const one of all) {
    if (i++ === count) return;
    yield one;
  }
}

const settings: readonly (readonly [name: string, setting: Setting])[] = [
  ["AdamW, sft", { kind: "sft", rows: 4, settings: { weightDecay: 0.1 } }],
  [
    "OnDARE with step-K, dpo",
    { kind: "dpo", rows: 4, accumulation: 2, settings: { optim: "ondare", reserveP: 0.5, alpha: 0.01, onlineStep: 2 } },
  ],
  ["OnTIES, kto", { kind: "kto", rows: 4, settings: { optim: "onties", reserveP: 0.5, alpha: 0.01 } }],
];

for (const [name, setting] of settings)
  check(
    `${name}: several workers do what one does`,
    async (device) => {
      const one = await ranked(setting, ALONE, device);
      for (const size of setting.kind === "kto" ? [4] : [2]) {
        const { runs } = await together(setting, size, device);
        for (const { records, weights } of runs) {
          assert.deepEqual(weights, runs[0].weights, "all ranks end with the same bits");
          assert.deepEqual(records, runs[0].records);
        }
        assert.ok(farthest(one.weights, runs[0].weights) <= limitOf(device), `${size}`);
        for (const [i, record] of runs[0].records.entries())
          for (const [key, value] of Object.entries(one.records[i]))
            assert.ok(
              Math.abs(record[key] - value) <= 1e-5 * Math.max(1, Math.abs(value)),
              `${size} ${key}: ${record[key]}, alone ${value}`,
            );
        const all = runs.map(({ slots }) => slots);
        assert.equal(
          all.reduce((sum, n) => sum + n, 0),
          one.slots,
          "slots are shared out, none twice",
        );
      }
    },
    setting.kind === "dpo" ? ["reference", "cpu"] : ["cpu"],
  );

check(
  "what travels is what is counted on paper: gradients to their owners, weights from them; half of the gradients in bf16",
  async (device) => {
    const elements = Object.values(tinyParams(1, device)).map((w) => {
      dispose(w);
      return sizeOf(w.shape);
    });
    const P = elements.reduce((sum, n) => sum + n, 0);
    const setting: Setting = { kind: "sft", rows: 4, steps: 2 };
    for (const [wire, bytes] of [["f32", 8] as const, ["bf16", 6] as const]) {
      const { sent, runs } = await together({ ...setting, wire }, 2, device);
      const rest = sent - 2 * bytes * P; // two steps, one rank's worth to one other
      assert.ok(rest > 0 && rest < 8000, `${wire}: ${rest} bytes more than ${2 * bytes * P}`);
      assert.deepEqual(runs[0].weights, runs[1].weights);
    }
  },
  ["cpu"],
);

check(
  "a worker that fails ends all with its reason, each with the state after the same step; a file of their parts is one process's",
  async (device) => {
    const folder = mkdtempSync(join(tmpdir(), "taugrad-workers-"));
    const file = (name: string) => join(folder, name);
    const good = (workers: Workers) =>
      batchesFrom(kinds.sft.source({ padId: 0, bucket: 8, batchSize: 2, share: { part: workers.rank, of: 2 } }));
    const rescued: number[] = [];
    const { ranks } = simulatedWorkers(2);
    const failing = (workers: Workers) =>
      ranked(
        {
          ...{ kind: "sft", rows: 4, settings: { weightDecay: 0.1 } },
          batches: (function* () {
            for (const [i, batch] of [...take(good(workers), 3)].entries()) {
              if (i === 2 && workers.rank === 1) throw new InputError("row 7 is torn");
              yield batch;
            }
          })(),
          rescue: async ({ step, state }) => {
            rescued.push(step);
            await saveShared(file("two"), state, workers);
          },
        },
        workers,
        device,
      );
    const ends = await Promise.allSettled(ranks.map(failing));
    const reasons = ends.map((end) => (end.status === "rejected" ? (end.reason as Error).message : "none"));
    assert.deepEqual(reasons, ["rank 1: row 7 is torn", "row 7 is torn"]);
    assert.deepEqual(rescued, [2, 2]);
    const setting: Setting = { kind: "sft", rows: 4, steps: 2, settings: { weightDecay: 0.1 } };
    await ranked({ ...setting, onState: (state) => saveTree(file("one"), state) }, ALONE, device);
    const [one, two] = ["one", "two"].map((name) => openSafetensors(file(name)));
    assert.deepEqual([...two.tensors], [...one.tensors], "names, shapes and places");
    rmSync(folder, { recursive: true, force: true });
  },
  ["cpu"],
);

/** The same device, whose programs run all at once; and one that tells when a run in parts has ended. */
const changed = (device: Device, build: (program: Program) => Program): Device =>
  Object.create(device, { build: { value: (graph: Graph) => build(device.build(graph)) } });

check(
  "sums begin while gradients are computed, and have the bytes of those that begin after",
  async (device) => {
    const setting: Setting = { kind: "sft", rows: 4, steps: 2, settings: { weightDecay: 0.1 } };
    /** What happens on rank 0, in order. */
    const events: string[] = [];
    const watched = changed(device, (program) => ({
      ...program,
      inParts: function* (inputs, bytes) {
        const made = yield* (program.inParts as NonNullable<typeof program.inParts>)(inputs, bytes);
        events.push("all are there");
        return made;
      },
    }));
    const onState = async () => void events.push("step");
    const { ranks } = simulatedWorkers(2);
    const telling = (workers: Workers): Workers => ({
      ...workers,
      begin: (what, ...messages) => {
        if (what === "its gradients") events.push("sent");
        return workers.begin(what, ...messages);
      },
    });
    const overlapping = await Promise.all([
      ranked({ ...setting, onState }, telling(ranks[0]), watched),
      ranked(setting, ranks[1], device),
    ]);
    const after = await together(
      setting,
      2,
      changed(device, ({ memory, run, free }) => ({ memory, run, free })),
    );
    for (const [i, { weights, records }] of overlapping.entries()) {
      assert.deepEqual(weights, after.runs[i].weights);
      assert.deepEqual(records, after.runs[i].records);
    }
    // The first step agrees on an order.
    const second = events.slice(events.indexOf("step"));
    assert.ok(second.indexOf("sent") < second.indexOf("all are there"), `${events}`);
  },
  ["cpu"],
);

check(
  "a worker that fails while its first sums are on their way ends all, and leaves nothing behind",
  (device) =>
    leavesNothing(device, async () => {
      let computed = 0;
      const torn = changed(device, (program) => ({
        ...program,
        inParts: function* (inputs, bytes) {
          const run = (program.inParts as NonNullable<typeof program.inParts>)(inputs, bytes);
          if (++computed < 2) return yield* run;
          try {
            for (let part = run.next(); part.done !== true; part = run.next()) {
              yield part.value;
              if (part.value.length > 0) throw new Error("a kernel is torn");
            }
          } finally {
            run.return([]);
          }
          return [];
        },
      }));
      const { ranks } = simulatedWorkers(2);
      const setting: Setting = { kind: "sft", rows: 4 };
      const ends = await Promise.allSettled([ranked(setting, ranks[0], torn), ranked(setting, ranks[1], device)]);
      const reasons = ends.map((end) => (end.status === "rejected" ? (end.reason as Error).message : "none"));
      assert.deepEqual(reasons, ["a kernel is torn", "rank 0: a kernel is torn"]);
    }),
  ["cpu"],
);

law(
  "sums are those of the order of ranks, each at its owner, however they are cut",
  fc.record({
    shapes: fc.array(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 2 }), { minLength: 3, maxLength: 6 }),
    size: fc.integer({ min: 1, max: 3 }),
    wire: fc.constantFrom("f32" as const, "bf16" as const),
  }),
  async ({ shapes, size, wire }, device) =>
    leavesNothing(device, async () => {
      const numbers = (rank: number, i: number): Float32Array =>
        Float32Array.from(constantData(eighths(shapes[i], 10 * rank + i)).data, (x) => x / 3);
      const trees = Array.from({ length: size }, (_, rank) =>
        Object.fromEntries(shapes.map((shape, i) => [`w${i}`, tensor(numbers(rank, i), shape)])),
      );
      const summed = await Promise.all(
        simulatedWorkers(size).ranks.map(async (workers, rank) => {
          const sums = sumsOver(trees[rank], { workers, shard: shardOf(trees[rank], workers), wire }, device);
          const found: Record<string, HostData>[] = [];
          // From the second sum on in an order that was agreed on.
          for (let round = 0; round < 2; round++) {
            const own = await sums.of("numbers", upload(trees[rank], device));
            found.push(
              Object.fromEntries(await Promise.all(Object.entries(own).map(async ([k, x]) => [k, await read(x)]))),
            );
            dispose(own);
          }
          for (const program of sums.programs()) program.free();
          return found;
        }),
      );
      const travelled = (data: Float32Array) => (wire === "f32" ? data : numbersOf(onWire(data, wire), "bf16"));
      const want = Object.fromEntries(
        shapes.map((_, i) => {
          const all = trees.map((_, rank) => travelled(numbers(rank, i)));
          return [`w${i}`, all.reduce((sum, more) => Float32Array.from(sum, (x, k) => x + more[k]))];
        }),
      );
      for (const round of [0, 1])
        assert.deepEqual(Object.assign({}, ...summed.map((found) => found[round])), want, `sum ${round}`);
    }),
  { effort: 0.3, on: ["cpu", "webgpu"] },
);

test("parameters are shared out whole: a rank has at most its share and one parameter more", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 9 }),
      (sizes, n) => {
        const params = Object.fromEntries(sizes.map((size, i) => [`w${i}`, { shape: [size] }]));
        const held = Array.from({ length: n }, () => 0);
        for (const [i, owner] of ownersOf(params, n).entries()) held[owner] += sizes[i];
        const total = sizes.reduce((sum, size) => sum + size, 0);
        assert.equal(
          held.reduce((sum, size) => sum + size, 0),
          total,
        );
        assert.ok(Math.max(...held) <= total / n + Math.max(...sizes));
      },
    ),
  );
});

test("who started several ranks is read from what launchers set; a batch script is one process", () => {
  assert.deepEqual(launchedBy({ OMPI_COMM_WORLD_SIZE: "4" }), { by: "mpirun of Open MPI", ranks: 4 });
  assert.deepEqual(launchedBy({ PMI_SIZE: "2" }), { by: "mpiexec of MPICH", ranks: 2 });
  assert.deepEqual(launchedBy({ SLURM_STEP_NUM_TASKS: "8", PMI_SIZE: "8" }), { by: "srun", ranks: 8 });
  for (const env of [{}, { SLURM_NTASKS: "4", SLURM_PROCID: "0" }, { OMPI_COMM_WORLD_SIZE: "1" }])
    assert.equal(launchedBy(env), undefined);
});
