import { availableParallelism } from "node:os";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { Job } from "../../lab/jobs/job.js";
import type { Document } from "../../lab/report/document.js";
import { points } from "../../lab/report/numbers.js";
import type { Size } from "../../lab/sizes.js";
import type { Budget, Report } from "../../lab/sweep/queue.js";
import { table } from "../demo/table.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { type Progress, progress } from "../progress.js";
import { clock } from "../sweeping/status-text.js";
import { handled } from "../sweeping/sweep.js";
import { orLeft } from "../writing/until-ended.js";

/** Set on child processes, which are this command again. */
const WORKER = "TAUGRAD_LAB_WORKER";

const budgetText = ({ pending, seconds }: Budget<Job>, all: number, processes: number): string =>
  `${pending.length} of ${all} jobs to do, about ${clock(seconds)} of one core: ${clock(seconds / processes)} on ${processes} process${processes === 1 ? "" : "es"}`;

/** Verdicts on what was run, with the intervals in points; claims that need a larger lab are counted. */
const summary = ({ claims }: Document): string => {
  const run = claims.filter(({ verdict }) => verdict !== "not run");
  const rows = run.map(({ claim, world, interval, verdict }) => [claim, world, points(interval), verdict]);
  const left = claims.length - run.length;
  return [
    ...(run.length === 0 ? [] : [table(["claim", "world", "points", "verdict"], rows)]),
    ...(left === 0 ? [] : [`${left}${run.length === 0 ? "" : " more"} claims need runs that this lab does not have`]),
  ].join("\n");
};

const shown = (line: Progress, { seconds, jobs, of }: Report): void =>
  line.step(Math.floor(seconds), { more: `${jobs} of ${of} jobs` });

/** `taugrad lab`: the alignment-tax experiments and their report. */
export const labCommand = async (values: Values<"lab">, out: Output): Promise<void> => {
  if (process.env[WORKER] !== undefined && process.send !== undefined) {
    const { serveJobs } = await import("../../lab/jobs/worker.js");
    return serveJobs();
  }
  const { quick, smoke, seeds, stage, output_dir: folder, dry_run: dry, processes = availableParallelism() } = values;
  if (quick && smoke) throw new InputError("--quick and --smoke are two sizes of the lab; choose one");
  const { SIZES } = await import("../../lab/sizes.js");
  const { labGraph } = await import("../../lab/jobs/graph.js");
  const { jobsOf, planRuns } = await import("../../lab/plan.js");
  const { labBudget, runLab } = await import("../../lab/run.js");
  const { makeSweep } = await import("../../lab/sweep/run.js");
  const { forkWorker } = await import("../../lab/sweep/workers.js");
  const named: Size = SIZES[smoke ? "smoke" : quick ? "quick" : "full"];
  const size = seeds === undefined ? named : { ...named, seeds: Array.from({ length: seeds }, (_, seed) => seed) };
  const jobs = jobsOf(planRuns(size));
  const words = [
    ...["lab", ...(smoke ? ["--smoke"] : quick ? ["--quick"] : [])],
    ...(seeds === undefined ? [] : ["--seeds", String(seeds)]),
  ];
  const budget = labBudget(size, folder);
  if (handled(values, { what: `lab ${size.name}`, folder, graph: labGraph, jobs, pending: budget.pending, words }, out))
    return;
  const text = budgetText(budget, jobs.length, processes);
  for (const line of budget.damaged) out.note(`warning: ${line}; it is computed again`);
  if (dry) {
    out.result(
      { size: size.name, jobs: jobs.length, pending: budget.pending.length, seconds: budget.seconds },
      () => text,
    );
    return;
  }
  makeSweep(folder);
  const farewell = "what is done stays in the cache, and the same command goes on from there";
  const document = await orLeft(farewell, async () => {
    out.note(`lab ${size.name}: ${text}`);
    out.start();
    const script = { path: process.argv[1], args: ["lab"], env: { [WORKER]: "1" } };
    const line = progress({ label: "lab, core-seconds", total: Math.ceil(budget.seconds), stream: process.stderr });
    return runLab({
      ...{ size, folder, stage },
      processes,
      openWorker: (cache) => forkWorker(script, cache),
      onReport: (report) => shown(line, report),
    }).finally(() => line.done());
  });
  if (document === undefined) {
    const { pending } = labBudget(size, folder);
    out.result({ stage, pending: pending.length }, () => `stage ${stage} is done; ${pending.length} jobs build on it`);
    return;
  }
  const [results, report] = [join(folder, "results.json"), join(folder, "report.html")];
  out.result(
    { results, report, claims: document.claims },
    () => `${summary(document)}\n\nreport: ${report}\nnumbers: ${results}`,
  );
};
