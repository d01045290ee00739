/** Sweeps: jobs claimed and done by whoever is there, on a folder that is all they share. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/index.js";
import { endingOf, Interrupted, WorkerLost } from "../../lab/sweep/blame.js";
import { tidyCache } from "../../lab/sweep/cache.js";
import { endClaim, makeClaim } from "../../lab/sweep/claim-file.js";
import { openClaims, watchClaims } from "../../lab/sweep/claims.js";
import { depths, type Graph, type Store, withParents } from "../../lab/sweep/graph.js";
import { budgetOf, runQueue } from "../../lab/sweep/queue.js";
import { claimsIn, retry } from "../../lab/sweep/run.js";
import { statusOf } from "../../lab/sweep/status.js";
import type { Worker } from "../../lab/sweep/workers.js";
import { DEAD_AFTER, thisProcess } from "../../models/files/writing/holder.js";
import { tries } from "../reach.js";

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
const scratch = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-sweep-"));
  folders.push(folder);
  return folder;
};

interface Toy {
  readonly id: number;
  readonly cost: number;
  readonly of: readonly Toy[];
}

const idOf = ({ id }: Toy): string => `job-${id}`;
const graph: Graph<Toy> = {
  idOf,
  parentsOf: ({ of }) => of,
  costOf: ({ cost }) => cost,
  settingsOf: ({ cost, of }) => ({ cost, of: of.map(idOf) }),
  nameOf: idOf,
};

/** Jobs that build on some of those before them. */
const toys = (most: number): fc.Arbitrary<Toy[]> =>
  fc
    .array(fc.record({ cost: fc.integer({ min: 1, max: 9 }), of: fc.array(fc.nat(most), { maxLength: 2 }) }), {
      minLength: 1,
      maxLength: most,
    })
    .map((drawn) => {
      const jobs: Toy[] = [];
      for (const [id, { cost, of }] of drawn.entries())
        jobs.push({ id, cost, of: [...new Set(id === 0 ? [] : of.map((at) => at % id))].map((at) => jobs[at]) });
      return jobs;
    });

const storeOf = (done: Set<string>): Store<Toy> => ({
  has: (job) => done.has(idOf(job)),
  damage: () => undefined,
  ids: () => new Set(done),
  tidy: () => {},
});

const dead = spawnSync(process.execPath, ["-e", ""]).pid;
const me = thisProcess("me", "toys");

/** What may be written of a job before, and whether it is one's to do then. */
const BEFORE: Readonly<
  Record<string, { readonly write: (path: (turn: number) => string) => void; readonly free: boolean }>
> = {
  nothing: { write: () => {}, free: true },
  gone: { write: (path) => void makeClaim(path(1), { ...me, pid: dead }), free: true },
  left: {
    write: (path) => {
      makeClaim(path(1), me);
      endClaim(path(1), { end: "left" });
    },
    free: true,
  },
  "done, but nothing lies there": {
    write: (path) => {
      makeClaim(path(1), me);
      endClaim(path(1), { end: "done", seconds: 1 });
    },
    free: true,
  },
  "killed its worker four times": {
    write: (path) => {
      for (const turn of [1, 2, 3, 4]) {
        makeClaim(path(turn), me);
        endClaim(path(turn), { end: "lost", reason: "killed" });
      }
    },
    free: true,
  },
  "killed its worker five times": {
    write: (path) => {
      for (const turn of [1, 2, 3, 4, 5]) {
        makeClaim(path(turn), me);
        endClaim(path(turn), { end: "lost", reason: "killed" });
      }
    },
    free: false,
  },
  "killed all who did it": {
    write: (path) => {
      for (let turn = 1; turn <= 10; turn++) makeClaim(path(turn), { ...me, pid: dead });
    },
    free: false,
  },
  failed: {
    write: (path) => {
      makeClaim(path(1), me);
      endClaim(path(1), { end: "failed", reason: "a shape" });
    },
    free: false,
  },
};

/** A job's fate where it is tried: it is done, or fails as it always will. */
const settings = fc.record({
  jobs: toys(8),
  before: fc.array(fc.constantFrom(...Object.keys(BEFORE)), { minLength: 8, maxLength: 8 }),
  fails: fc.array(fc.constantFrom(false, false, false, true), { minLength: 8, maxLength: 8 }),
  sweeps: fc.integer({ min: 1, max: 3 }),
  workers: fc.integer({ min: 1, max: 2 }),
});

test("sweeps in one folder: every job is done once, after its parents, by one of all; what fails is tried once, and again when asked", async () => {
  await fc.assert(
    fc.asyncProperty(settings, async ({ jobs, before, fails, sweeps, workers }) => {
      const folder = scratch();
      const done = new Set<string>();
      const tried: string[] = [];
      openClaims(claimsIn(folder), "toys").close();
      for (const job of jobs) BEFORE[before[job.id]].write((turn) => join(claimsIn(folder), `${idOf(job)}.${turn}`));
      const mends = { all: false };
      const worker: Worker<Toy> = {
        run: async (job) => {
          assert.ok(
            job.of.every((parent) => done.has(idOf(parent))),
            "its parents are done",
          );
          assert.ok(!done.has(idOf(job)), "not done before");
          tried.push(idOf(job));
          await new Promise((resolve) => setTimeout(resolve, job.cost / 4));
          if (fails[job.id] && !mends.all) throw new InputError(`no ${job.id}`);
          done.add(idOf(job));
        },
        close: async () => {},
      };
      const sweep = async (): Promise<string[]> => {
        const claims = openClaims(claimsIn(folder), "toys");
        const store = storeOf(done);
        const many = Array.from({ length: workers }, () => worker);
        const failed = await runQueue({ graph, store, claims }, budgetOf(graph, store, jobs), many);
        claims.close();
        return failed.map(({ job }) => idOf(job)).sort();
      };
      const all = () => Promise.all(Array.from({ length: sweeps }, sweep));

      const bad = new Set<string>();
      for (const job of jobs)
        if (fails[job.id] || !BEFORE[before[job.id]].free || job.of.some((parent) => bad.has(idOf(parent))))
          bad.add(idOf(job));
      for (const failed of await all()) assert.deepEqual(failed, [...bad].sort());
      assert.deepEqual(
        [...done].sort(),
        jobs
          .map(idOf)
          .filter((id) => !bad.has(id))
          .sort(),
      );
      assert.equal(new Set(tried).size, tried.length, "nothing is tried twice");

      const told = statusOf(
        folder,
        graph,
        jobs,
        jobs.filter((job) => !done.has(idOf(job))),
      );
      assert.equal(told.done + told.failed.length + told.blocked, jobs.length);
      assert.deepEqual([told.running, told.waiting, told.seconds], [[], 0, 0]);
      assert.ok(told.failed.every(({ reason, attempts }) => reason !== "" && attempts > 0));

      mends.all = true;
      await all();
      assert.equal(done.size, jobs.length - bad.size, "not unless somebody asks");
      retry(folder, "toys", graph, jobs);
      await all();
      assert.equal(done.size, jobs.length);
      const claimed = watchClaims(claimsIn(folder), "toys").all();
      for (const job of jobs) {
        const ends = (claimed.get(idOf(job)) ?? []).map(({ ending }) => ending?.end);
        const written = before[job.id].startsWith("done") ? 2 : 1;
        assert.equal(ends.filter((end) => end === "done").length, written);
        assert.equal(ends.at(-1), "done");
      }
    }),
    { numRuns: tries(6) },
  );
});

test("a claim: of many who saw the same, one gets it; who is silent elsewhere keeps it until he has been seen so for long", (t) => {
  const folder = scratch();
  const many = Array.from({ length: 4 }, () => openClaims(folder, "toys"));
  const take = () => {
    const seen = many.map((claims) => claims.look().get("a"));
    return many.map((claims, i) => claims.take("a", seen[i])).filter((claim) => claim !== undefined);
  };
  const [first, ...none] = take();
  assert.deepEqual(none, []);
  assert.ok(first.isHeld());
  first.end({ end: "left" });
  assert.ok(!first.isHeld());
  const [second] = take();
  for (const claims of many) claims.close();
  assert.ok(!second.isHeld(), "given back at the end");

  const far = { ...me, boot: "another", host: "far" };
  const path = join(folder, "a.3");
  makeClaim(path, far);
  let now = performance.now();
  t.mock.method(performance, "now", () => now);
  const [observer, newcomer] = [openClaims(folder, "toys"), openClaims(folder, "toys")];
  const state = () => observer.look().get("a")?.state;
  assert.equal(state(), "held");
  now += 1000 * (DEAD_AFTER - 1);
  assert.equal(state(), "held");
  writeFileSync(path, `${JSON.stringify(far)}\n`); // a sign of life
  now += 1000 * (DEAD_AFTER - 1);
  assert.equal(state(), "held");
  now += 1000 * (DEAD_AFTER + 1);
  assert.equal(state(), "free");
  assert.equal(newcomer.look().get("a")?.state, "held", "who comes new has not seen him silent");
  const late = observer.take("a", observer.look().get("a"));
  assert.ok(late?.isHeld());
  assert.equal(newcomer.look().get("a")?.state, "held");
  observer.close();
  newcomer.close();
});

test("who has lost a job to another, and fails in it then, has not failed it: the other's result is taken", async () => {
  const folder = scratch();
  const [done, job] = [new Set<string>(), { id: 0, cost: 1, of: [] }];
  const claims = openClaims(folder, "toys");
  const other = join(folder, `${idOf(job)}.2`);
  const late: Worker<Toy> = {
    run: async () => {
      makeClaim(other, me);
      setTimeout(() => {
        done.add(idOf(job));
        endClaim(other, { end: "done", seconds: 1 });
      }, 20);
      throw new InputError("its files are gone");
    },
    close: async () => {},
  };
  const store = storeOf(done);
  assert.deepEqual(await runQueue({ graph, store, claims }, budgetOf(graph, store, [job]), [late]), []);
  assert.deepEqual([...done], [idOf(job)]);
  claims.close();
});

test("a result that is gone once all that needed it is done is not made again", async () => {
  const folder = scratch();
  const model: Toy = { id: 0, cost: 1, of: [] };
  const measure: Toy = { id: 1, cost: 1, of: [model] };
  const done = new Set<string>();
  const tried: string[] = [];
  const worker = (ms: number): Worker<Toy> => ({
    run: async (job) => {
      tried.push(idOf(job));
      await new Promise((resolve) => setTimeout(resolve, ms));
      done.add(idOf(job));
      for (const parent of job.of) done.delete(idOf(parent));
    },
    close: async () => {},
  });
  const sweep = async (ms: number): Promise<void> => {
    const claims = openClaims(folder, "toys");
    const store = storeOf(done);
    const budget = budgetOf(graph, store, [model, measure]);
    assert.deepEqual(await runQueue({ graph, store, claims }, budget, [worker(ms)]), []);
    claims.close();
  };
  await Promise.all([sweep(5), sweep(5)]);
  assert.deepEqual(tried, ["job-0", "job-1"]);
});

test("half-written files go, but for those of a job that somebody does now", () => {
  const folder = scratch();
  const claims = openClaims(scratch(), "toys");
  const claim = claims.take("a", undefined);
  for (const name of ["a.json.7-0-0123abcd.tmp", "b.safetensors.7-1.tmp", "c.json", "d.5.tmp"])
    writeFileSync(join(folder, name), "");
  tidyCache(folder, claims);
  assert.deepEqual(readdirSync(folder).sort(), ["a.json.7-0-0123abcd.tmp", "c.json"]);
  claim?.end({ end: "left" });
  tidyCache(folder, claims);
  assert.deepEqual(readdirSync(folder), ["c.json"]);
  claims.close();
});

test("what no job is to blame for does not fail it: it is left, or counted where a process was killed", () => {
  const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write" });
  assert.deepEqual(endingOf(full), { end: "left" });
  assert.deepEqual(endingOf(Object.assign(new InputError("cannot be written"), { cause: full })), { end: "left" });
  assert.deepEqual(endingOf(new Interrupted("is gone")), { end: "left" });
  assert.deepEqual(endingOf(new WorkerLost("SIGKILL")), { end: "lost", reason: "SIGKILL" });
  for (const error of [new InputError("no"), new TypeError("no"), "no"]) assert.equal(endingOf(error), undefined);
});

test("a job's depth is one more than that of the deepest it builds on; parents come first", () => {
  fc.assert(
    fc.property(toys(12), (jobs) => {
      const all = withParents(graph, jobs.toReversed());
      const depth = depths(graph, all);
      assert.deepEqual(new Set(all), new Set(jobs));
      for (const [at, job] of all.entries()) {
        assert.ok(job.of.every((parent) => all.indexOf(parent) < at));
        assert.equal(
          depth.get(idOf(job)),
          job.of.length === 0 ? 0 : 1 + Math.max(...job.of.map((p) => depth.get(idOf(p)) ?? -1)),
        );
      }
    }),
    { numRuns: 20 },
  );
});
