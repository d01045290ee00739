/** Jobs of the lab: named by their content, done once, each after its parent, and cut off without harm. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { trainingOptimizer } from "../../align/training/optimizer.js";
import { failure } from "../../cli/fail.js";
import { constantData, InputError, OwnershipError, tensor } from "../../core/index.js";
import { labGraph, openLabCache } from "../../lab/jobs/graph.js";
import { idOf, type Job, parentOf, settingsOf } from "../../lab/jobs/job.js";
import { ownWorker } from "../../lab/jobs/worker.js";
import { METHOD_NAMES, trainingOf } from "../../lab/methods.js";
import { jobsOf, planRuns } from "../../lab/plan.js";
import { labBudget, runLab } from "../../lab/run.js";
import { SIZES, type Size } from "../../lab/sizes.js";
import { Interrupted } from "../../lab/sweep/blame.js";
import { openClaims } from "../../lab/sweep/claims.js";
import { type Budget, budgetOf, type Report, runQueue } from "../../lab/sweep/queue.js";
import { heardError, type ToldError, toldError } from "../../lab/sweep/told-error.js";
import type { Worker } from "../../lab/sweep/workers.js";
import { tries } from "../reach.js";
import { madeUp, madeUpCache } from "./lab-values.js";

const full = planRuns(SIZES.full);
const jobs = jobsOf(full);

test("lab: every method has one setting at every rate of one grid, in every world and under every seed", () => {
  const { rates, seeds } = SIZES.full;
  for (const world of Object.keys(SIZES.full.worlds))
    for (const seed of seeds)
      for (const line of METHOD_NAMES) {
        const own = full.filter(
          (run) => run.section === "methods" && run.world === world && run.seed === seed && run.line === line,
        );
        assert.deepEqual(
          own.map(({ x }) => x),
          rates,
          line,
        );
      }
  assert.ok(seeds.length >= 3);
  for (const name of METHOD_NAMES) assert.doesNotThrow(() => trainingOptimizer(trainingOf(name).optimizer), name);
});

test("lab: jobs are listed once, parents first", () => {
  const seen = new Set<string>();
  for (const job of jobs) {
    const parent = parentOf(job);
    assert.ok(parent === undefined || seen.has(idOf(parent)));
    assert.ok(!seen.has(idOf(job)));
    seen.add(idOf(job));
  }
  assert.deepEqual(new Set(full.map(({ job }) => idOf(job))).size < full.length, true, "analyses share Table 1's runs");
});

test("lab: along p OnDARE's drift A = Tα/p stays Table 1's where it is said to, and grows where α stays", () => {
  const { alpha = 0, reserveP = 1 } = trainingOf("ondare_official").optimizer;
  const drifts = (line: string) =>
    full
      .filter((run) => run.section === "p" && run.line === line)
      .map(({ job }) => ("training" in job ? job.training.optimizer : {}))
      .map((optimizer) => (optimizer.alpha ?? 0) / (optimizer.reserveP ?? 1));
  const [still, growing] = [drifts("ondare_official A fixed"), drifts("ondare_official α fixed")];
  assert.ok(still.length === growing.length && still.length > 9);
  for (const drift of still) assert.ok(Math.abs(drift - alpha / reserveP) < 1e-12, String(drift));
  assert.ok(Math.max(...growing) > 100 * Math.min(...growing));
});

/** The same value with the keys of its objects in another order. */
const turned = (value: unknown): unknown =>
  typeof value !== "object" || value === null
    ? value
    : Array.isArray(value)
      ? value.map(turned)
      : Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, part]) => [key, turned(part)]),
        );

/** Every place of a number in a value, as a copy in which that number is another. */
const changes = (value: unknown): unknown[] => {
  if (typeof value === "number") return [value + 1];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    changes(part).map((changed) =>
      Array.isArray(value) ? value.map((old, i) => (String(i) === key ? changed : old)) : { ...value, [key]: changed },
    ),
  );
};

test("lab: a job's id is a function of its settings, all of them, and of its parents'", () => {
  fc.assert(
    fc.property(fc.constantFrom(...jobs), (job) => {
      assert.equal(idOf(turned(job) as Job), idOf(job));
      assert.equal(idOf(JSON.parse(JSON.stringify(job)) as Job), idOf(job));
      const others = changes(job).map((changed) => idOf(changed as Job));
      assert.ok(others.length > 5);
      assert.equal(new Set([...others, idOf(job)]).size, others.length + 1);
      const parent = parentOf(job);
      if (parent !== undefined) assert.equal(settingsOf(job).of, idOf(parent));
    }),
    { numRuns: 20 },
  );
});

test("lab: a queue does every job once, after its parent, on all workers, and goes on where it was cut off", async () => {
  const done = new Set<string>();
  const store = { ...madeUpCache, has: (job: Job) => done.has(idOf(job)), ids: () => done };
  const claims = openClaims(scratch(), "lab");
  const run = (budget: Budget<Job>, workers: Worker<Job>[], onReport?: (report: Report) => void) =>
    runQueue({ graph: labGraph, store, claims }, budget, workers, onReport);
  const budget = () => budgetOf(labGraph, store, some);
  const some = jobs.slice(0, 60);
  const startOf = (limit: number): Worker<Job> => ({
    run: async (job, onShare) => {
      const parent = parentOf(job);
      assert.ok(parent === undefined || done.has(idOf(parent)), "its parent is done");
      assert.ok(!done.has(idOf(job)), "not done before");
      if (done.size >= limit) throw new Interrupted("cut off");
      onShare(0.5);
      await new Promise((resolve) => setImmediate(resolve));
      done.add(idOf(job));
    },
    close: async () => {},
  });
  await assert.rejects(run(budget(), [startOf(25), startOf(25)]), /cut off/);
  const left = budget();
  assert.ok(left.pending.length < 40 && left.pending.length > 30);
  let last = 0;
  await run(left, [startOf(1000), startOf(1000), startOf(1000)], ({ seconds, total }) => {
    assert.ok(seconds <= total + 1e-9);
    last = seconds / total;
  });
  assert.equal(done.size, 60);
  assert.ok(Math.abs(last - 1) < 1e-9);
  assert.deepEqual(await run(budget(), []), []);
  claims.close();
});

/** A lab that takes a second; KTO is the one loss that brings its own batches. */
const tiny: Size = {
  ...SIZES.smoke,
  seeds: [3],
  methods: ["adamw"],
  drifts: [],
  analyses: { ...SIZES.smoke.analyses, losses: ["kto"], lossRates: [1e-4] },
};

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
const scratch = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-lab-"));
  folders.push(folder);
  return folder;
};
let made: Promise<string> | undefined;
/** The folder of a tiny lab that was run through. */
const tinyLab = (): Promise<string> => {
  const folder = scratch();
  made ??= runLab({ size: tiny, folder, processes: 1, openWorker: ownWorker }).then(() => folder);
  return made;
};
const bytes = (folder: string): string[] =>
  ["results.json", "report.html"].map((name) => readFileSync(join(folder, name), "utf8"));

test("lab: cut off and resumed, it ends in the same bytes; what is done is not done again [cpu]", async () => {
  const [whole, cut] = [await tinyLab(), scratch()];
  const kinds: string[] = [];
  const failing = async (cache: string, from: number): Promise<Worker<Job>> => {
    const own = await ownWorker(cache);
    return {
      ...own,
      run: async (job, onShare) => {
        if (kinds.push(job.kind) > from) throw new Interrupted("killed");
        return own.run(job, onShare);
      },
    };
  };
  await assert.rejects(
    runLab({ size: tiny, folder: cut, processes: 1, openWorker: (cache) => failing(cache, 2) }),
    /killed/,
  );
  writeFileSync(join(cut, "cache", "half-written.json.1-0.tmp"), "{");
  await runLab({ size: tiny, folder: cut, processes: 1, openWorker: (cache) => failing(cache, 10) });
  assert.deepEqual(kinds, ["base", "sft", "align", "align", "align"]);
  assert.deepEqual(bytes(cut), bytes(whole));
  const files = (folder: string) => readdirSync(join(folder, "cache")).sort();
  assert.deepEqual(files(cut), files(whole));
  for (const name of files(whole))
    assert.deepEqual(readFileSync(join(cut, "cache", name)), readFileSync(join(whole, "cache", name)), name);
  const again: string[] = [];
  await runLab({
    size: tiny,
    folder: cut,
    processes: 1,
    openWorker: (cache) => {
      again.push(cache);
      return ownWorker(cache);
    },
  });
  assert.deepEqual(again, []);
});

test("lab: a worker that meets only itself, by a mean without τ, is AdamW; workers that share a batch are bit-equal again [cpu]", async () => {
  const folder = await tinyLab();
  const [adamw] = planRuns(tiny).filter(({ line }) => line === "adamw");
  assert.ok(adamw.job.kind === "align");
  const { of, training, learningRate } = adamw.job;
  const done = async (job: Job, cache: string) => {
    const worker = await ownWorker(cache);
    await worker.run(job, () => {}).finally(worker.close);
    return openLabCache(cache).outcome(job);
  };
  const [cache, other] = [scratch(), scratch()];
  for (const job of jobsOf([adamw]))
    for (const to of [cache, other])
      for (const name of readdirSync(join(folder, "cache")).filter((file) => file.startsWith(idOf(job))))
        copyFileSync(join(folder, "cache", name), join(to, name));
  const meet = { kind: "meet", of, training, learningRate, gap: 1 } as const;
  const alone = await done({ ...meet, workers: 1, meeting: {} }, cache);
  const whole = openLabCache(cache).outcome(adamw.job);
  for (const key of ["margin", "kl"] as const)
    assert.ok(Math.abs((alone.measures?.[key] ?? 1) - (whole.measures?.[key] ?? 0)) < 1e-6, key);
  assert.ok(Math.abs((alone.curve?.at(-1)?.loss ?? 1) - (whole.curve?.at(-1)?.loss ?? 0)) < 1e-6);
  const shared: Job = { ...meet, workers: 2, meeting: { join: "election", alpha: 0.01, outerMomentum: 0.5 } };
  assert.deepEqual(await done(shared, cache), await done(shared, other));
  assert.notDeepEqual(openLabCache(cache).outcome(shared).measures, whole.measures);
});

test("lab: results or a report of somebody else's are never written over, and its own are", () => {
  const texts = ["", "mine", "{}", '{"version":"1.0","size":3}', "[[]]", '{"version":1,"size":{},"jobs":[]}'];
  for (const name of ["results.json", "report.html"])
    for (const text of texts) {
      const folder = scratch();
      writeFileSync(join(folder, name), text);
      assert.throws(() => labBudget(tiny, folder), {
        name: "InputError",
        message: new RegExp(`${name}: is of no lab`),
      });
    }
  const folder = scratch();
  writeFileSync(join(folder, "results.json"), '{"version":1,"size":{},"jobs":{}}');
  writeFileSync(join(folder, "report.html"), "of a lab");
  assert.ok(labBudget(tiny, folder).pending.length > 0);
});

const [base] = jobs.filter(({ kind }) => kind === "base");
const drawnTensors = { weights: { a: tensor([1, 2.5, -3]), b: tensor([0.125]) } };

test("lab: of a cached result no flipped bit, cut or foreign file is taken; it is as if it were not there, with a word", async () => {
  const folder = scratch();
  const cache = openLabCache(folder);
  const outcome = { ...madeUp(base), relativeDelta: Number.NaN, curve: [{ step: 1, loss: Number.NaN, margin: 0.1 }] };
  await cache.put(base, outcome, drawnTensors);
  const again = openLabCache(folder);
  assert.deepEqual([again.has(base), again.damage(base), again.outcome(base)], [true, undefined, outcome]);
  assert.deepEqual(constantData(again.tensors(base, drawnTensors).weights.a).data, Float64Array.of(1, 2.5, -3));
  const other = jobs.find((job) => job !== base && job.kind === "base") as Job;
  for (const ending of ["json", "safetensors"])
    copyFileSync(join(folder, `${idOf(base)}.${ending}`), join(folder, `${idOf(other)}.${ending}`));
  assert.match(openLabCache(folder).damage(other) ?? "", /is not as the lab wrote it$/);

  const harm = fc.record({
    ending: fc.constantFrom("json", "safetensors"),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    how: fc.constantFrom("flip", "cut", "gone", "deep"),
    bit: fc.nat(7),
  });
  await fc.assert(
    fc.asyncProperty(harm, async ({ ending, at, how, bit }) => {
      const path = join(folder, `${idOf(base)}.${ending}`);
      const whole = readFileSync(path);
      const place = Math.floor(at * (whole.length - 1)); // not the line break at the end
      if (how === "gone") rmSync(path);
      else if (how === "deep") writeFileSync(path, `{"job":${"[".repeat(100_000)}${"]".repeat(100_000)}}`);
      else if (how === "cut") writeFileSync(path, whole.subarray(0, place));
      else
        writeFileSync(
          path,
          Uint8Array.from(whole, (byte, i) => (i === place ? byte ^ (1 << bit) : byte)),
        );
      const hurt = openLabCache(folder);
      const { pending, damaged } = budgetOf(labGraph, hurt, [base]);
      assert.throws(() => hurt.tensors(base, drawnTensors), InputError);
      writeFileSync(path, whole);
      assert.deepEqual(pending, [base]);
      assert.equal(damaged.length, ending === "json" && how === "gone" ? 0 : 1);
      assert.ok(damaged.every((line) => line.includes(path) && !line.includes("\n")));
      assert.ok(openLabCache(folder).has(base));
    }),
    { numRuns: tries(40) },
  );
});

test("an error keeps its kind, its path and what the system said on its way from a child", () => {
  const full = Object.assign(new Error("EFBIG: file too large, write"), {
    code: "EFBIG",
    syscall: "write",
    errno: -27,
    path: "/w",
  });
  const travelled = (error: unknown) => heardError(JSON.parse(JSON.stringify(toldError(error))) as ToldError);
  for (const error of [new InputError("x: is none"), new OwnershipError("gone"), full, new TypeError("no function")])
    assert.deepEqual(failure(travelled(error)), failure(error));
  assert.match(failure(travelled("text")).message, /text/);
  assert.match(failure(heardError(toldError(full))).message, /^taugrad: \/w: larger than a file may be here/);
});
