/** Laws of a comparison as it is done: cut off and gone on with, with a method that diverges, without its models; and the command. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { counted, type InSplits } from "../../../lab/compare/measured.js";
import { Interrupted } from "../../../lab/sweep/blame.js";
import { runCompare } from "../../../run/compare/compare.js";
import { idOf, type Job } from "../../../run/compare/jobs.js";
import { ownWorker } from "../../../run/compare/worker.js";
import { compare } from "../../../run/index.js";
import { document as commandDocument, scratch, succeeds, taugrad } from "../../cli/cli.js";
import { prepared, tinyGrid } from "./tiny.js";

// Programs of a few thousand numbers: threads would take longer to start than they work.
process.env.TAUGRAD_THREADS = "1";
const folder = scratch();
const tiny = tinyGrid(folder);
const grid = { ...tiny, evaluate: { ...tiny.evaluate, limit: 8 } };
const out = (name: string): string => join(folder, name);
const bytesIn = (name: string): readonly string[] =>
  ["results.json", "report.html"].map((file) => readFileSync(join(out(name), file), "utf8"));

/** Does what is left of a grid, in this process; → the jobs that were begun. `onShare` may end it. */
const goOn = async (
  content: object,
  name: string,
  onShare: (job: Job, share: number) => void = () => {},
  processes = 1,
  stage?: number,
): Promise<readonly Job[]> => {
  const ready = await prepared(content, out(name));
  const begun: Job[] = [];
  const openWorker = async (cache: string) => {
    const worker = await ownWorker(cache, () => {});
    return {
      ...worker,
      run: (job: Job) => {
        begun.push(job);
        return worker.run(job, (share) => onShare(job, share));
      },
    };
  };
  await runCompare(ready, { processes, openWorker, stage });
  return begun;
};

const half = [
  { model: "start", parameters: { weight: 0.5 } },
  { model: "trained", parameters: { weight: 0.5 } },
];
const whole = {
  ...grid,
  seeds: [1],
  methods: {
    ondare: { ...grid.methods.ondare, learning_rate: [1e-3, 1e30] },
    half: { of: "ondare", merge_method: "linear", models: half },
  },
};
const kinds = (jobs: readonly Job[], kind: Job["kind"]): number => jobs.filter((job) => job.kind === kind).length;

test("compare: cut off in a training it goes on there, and what diverges is told while the others go on", async () => {
  const steps: number[] = [];
  let cut: Job | undefined;
  const ends = (job: Job, share: number): void => {
    if (job.kind !== "train" || cut !== undefined) return;
    cut = job;
    throw new Interrupted(`killed at ${share}`);
  };
  await assert.rejects(goOn(whole, "cut", ends), /killed at 0\.5/);
  assert.ok(!existsSync(join(out("cut"), "results.json")));
  const id = idOf(cut as Job);
  const begun = await goOn(whole, "cut", (job, share) => idOf(job) === id && steps.push(share), 2);
  assert.deepEqual(steps, [1], "from the checkpoint after the first of two steps");
  // Two trainings, of which one diverges, so that there is nothing to merge.
  assert.deepEqual([kinds(begun, "train"), kinds(begun, "merge")], [2, 1]);
  const [results, report] = bytesIn("cut");
  const { cells, rows } = JSON.parse(results) as {
    cells: Record<string, unknown>[];
    rows: { selected?: { rate: number } }[];
  };
  assert.equal(cells.length, 4);
  for (const { rate, reason, measured } of cells) {
    assert.equal(measured === undefined, rate === 1e30);
    if (measured === undefined) assert.match(String(reason), /diverged/);
  }
  assert.deepEqual(
    rows.map(({ selected }) => selected?.rate),
    [1e-3, 1e-3],
  );
  assert.match(report, /not run: [^<]*diverged/);

  // What was cut off, done in one go, gives the same bytes; nothing else is done again.
  const lost = readdirSync(join(out("cut"), "cache")).filter((name) => name.startsWith(id));
  assert.equal(lost.length, 2);
  for (const name of lost) rmSync(join(out("cut"), "cache", name), { recursive: true });
  const { plan, store } = await prepared(whole, out("cut"));
  const child = plan.cells.find(({ job }) => job.of.kind === "train" && idOf(job.of) === id)?.job as Job;
  for (const path of [store.folderOf(child), `${store.folderOf(child)}.json`]) rmSync(path, { recursive: true });
  assert.deepEqual((await goOn(whole, "cut")).map(idOf), [id, idOf(child)]);
  assert.deepEqual(bytesIn("cut"), [results, report]);
  assert.deepEqual(await goOn(whole, "cut"), [], "all is done, what fails too");
  assert.deepEqual(bytesIn("cut"), [results, report]);
});

test("compare: models that are measured may go; what is only counted otherwise asks for none", async () => {
  const other = { ...whole, keep_models: false, evaluate: { ...grid.evaluate, style: "rewards/margins" } };
  for (const _ of [1, 2]) assert.deepEqual(await goOn(other, "cut"), []);
  const left = readdirSync(join(out("cut"), "cache"), { recursive: true });
  assert.ok(left.length > 10 && !left.some((name) => /\.safetensors$/.test(String(name))));
  const { start } = JSON.parse(bytesIn("cut")[0]) as { start: { test: { pairs: object } } };
  assert.deepEqual(start.test.pairs, { "rewards/accuracies": 0.5, "rewards/margins": 0 });
});

test("compare as a call: stopped it goes on, and HMA is that of its merges which validation rows prefer", async () => {
  // Of two blocks, in the order in which they are tried.
  const ratios = [
    [0.5, 0.5],
    [0.25, 0.75],
    [0.75, 0.25],
  ];
  const merges = ratios.map((ratio, i): readonly [string, Record<string, unknown>] => {
    const weights = { start: ratio.map((a) => 1 - a), trained: ratio };
    const models = Object.entries(weights).map(([model, weight]) => ({ model, parameters: { weight } }));
    return [`merge ${i}`, { of: "ondare", merge_method: "linear", models }];
  });
  const asked = {
    ...whole,
    train: "sft",
    output_dir: out("cut"),
    evaluate: { ...grid.evaluate, style: "rewards/margins" },
    methods: {
      ondare: { ...grid.methods.ondare, learning_rate: [1e-3] },
      ...Object.fromEntries(merges),
      hma: { of: "ondare", search: { blocks: 2, mean: 0.5, step: 0.25 } },
    },
  } as const;
  const plan = await compare({ ...asked, dry_run: true });
  // The model of ondare is gone, and what it measured is there.
  assert.deepEqual([plan.jobs, plan.pending, Object.keys(plan.methods)], [11, 9, ["ondare"]]);
  const atOnce = new AbortController();
  const onBegun = (): void => atOnce.abort(new Error("at once"));
  await assert.rejects(compare({ ...asked, onProgress: onBegun, signal: atOnce.signal }), /^Error: at once$/);
  assert.equal((await compare({ ...asked, dry_run: true })).pending, 9, "what was begun has not come to its end");
  const stop = new AbortController();
  const onProgress = ({ jobs }: { readonly jobs: number }): void => {
    if (jobs === 2) stop.abort(new Error("enough"));
  };
  await assert.rejects(compare({ ...asked, onProgress, signal: stop.signal }), /^Error: enough$/);
  const left = (await compare({ ...asked, dry_run: true })).pending;
  assert.ok(left > 4 && left < 8, `${left} jobs are left`);
  const { document, results } = await compare(asked);
  assert.deepEqual(JSON.parse(readFileSync(results, "utf8")), JSON.parse(JSON.stringify(document)));
  const { cells, skill, style } = document;
  const measured = (name: string) => cells.find(({ method }) => method === name)?.measured as InSplits;
  const scores = merges.map(([name]) => {
    const { average, style: gained } = counted(measured(name).validation, { skill, style });
    return average + gained;
  });
  assert.equal(new Set(scores).size, 3, "what is to be chosen from differs");
  assert.deepEqual(measured("hma"), measured(`merge ${scores.indexOf(Math.max(...scores))}`));

  await assert.rejects(compare(undefined as never), /^ShapeError: compare\(undefined\): undefined is no record/);
  await assert.rejects(
    compare({ ...asked, method: {} } as never),
    /^InputError: compare: unknown key "method"; did you/,
  );
  await assert.rejects(
    compare({ ...asked, onNote: 3 as never }),
    /^InputError: compare: onNote is 3; it must be a function/,
  );
  await assert.rejects(
    compare({ ...asked, output_dir: undefined as never }),
    /^InputError: compare: output_dir is missing/,
  );
});

test("compare: the command checks, does, and tells; a folder that is not its own it leaves, rows of nothing it names", async () => {
  const file = out("grid.yaml");
  const least = { ...grid, methods: { ondare: grid.methods.ondare }, seeds: [1] };
  writeFileSync(file, JSON.stringify({ ...least, output_dir: out("command") }));
  const dry = await commandDocument<{
    jobs: number;
    pending: number;
    methods: Record<string, { steps: number; peak_memory_bytes: number }>;
  }>(["compare", file, "--dry-run"]);
  assert.deepEqual([dry.jobs, dry.pending, dry.methods.ondare.steps], [3, 3, 2]);
  assert.ok(dry.methods.ondare.peak_memory_bytes > 1e5 && !existsSync(out("command")));
  await succeeds(["compare", file, "--scheduler", "slurm", "--array", "8"]);
  const script = readFileSync(join(out("command"), "slurm.sh"), "utf8");
  assert.match(script, /for stage in 0:2 1:1; do/);
  assert.ok(script.includes(` compare ${file} --output-dir ${out("command")} --processes 1 --stage "$1"`), script);
  // The first stage trains, and measures where all start.
  assert.deepEqual((await goOn(least, "command", undefined, 1, 0)).map(({ kind }) => kind).sort(), [
    "measure",
    "train",
  ]);
  assert.ok(!existsSync(join(out("command"), "results.json")));
  assert.match(
    (await succeeds(["compare", file, "--status"])).stdout,
    /^compare: 2 of 3 jobs done, 0 running, 1 to come\n/,
  );
  const { code, stdout, stderr } = await taugrad(["compare", file, "--processes", "2"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /ondare +1e−3 .*\n\nreport: .*report\.html\nnumbers: .*results\.json\n$/s);
  // Processes of their own, and this one: the same numbers.
  const cellIn = (name: string): unknown =>
    JSON.parse(bytesIn(name)[0]).cells.find(
      ({ method, seed }: Record<string, unknown>) => method === "ondare" && seed === 1,
    );
  assert.deepEqual(cellIn("command"), cellIn("cut"));

  writeFileSync(join(out("command"), "results.json"), "{}");
  await assert.rejects(prepared(least, out("command")), /results\.json: is of no comparison, and would be overwritten/);
  writeFileSync(out("empty.jsonl"), "");
  const empty = { ...least, base: { ...grid.base, dataset_name: out("empty.jsonl") } };
  await assert.rejects(prepared(empty, out("empty")), /^InputError: methods: ondare: .*empty\.jsonl/);
  assert.ok(!existsSync(out("empty")));
});
