import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import type { ComparisonDocument } from "../../lab/compare/document.js";
import { told } from "../../lab/compare/drawn.js";
import { percent, points, rate } from "../../lab/report/numbers.js";
import type { Prepared } from "../../run/compare/compare.js";
import type { Job } from "../../run/compare/jobs.js";
import { shownBytes } from "../../run/dry-run/memory-table.js";
import { readYamlObject } from "../../run/yaml.js";
import { table } from "../demo/table.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { progress } from "../progress.js";
import { handled } from "../sweeping/sweep.js";
import { orLeft } from "../writing/until-ended.js";

/** Set on child processes, which are this command again. */
const WORKER = "TAUGRAD_COMPARE_WORKER";

const countOf = (jobs: readonly Job[], kind: Job["kind"]): number => jobs.filter((job) => job.kind === kind).length;

/** What there is to do, in a line. */
const workText = ({ jobs, budget: { pending } }: Prepared): string =>
  `${pending.length} of ${jobs.length} jobs to do: ${countOf(pending, "train")} trainings, ${countOf(pending, "merge")} merges, ${countOf(pending, "measure")} models to measure`;

const planText = (prepared: Prepared): string => {
  const { plan, methods } = prepared;
  const rows = Object.entries(plan.spec.methods).map(([name, { rates }]) => {
    const found = methods.get(name);
    const runs = String(rates.length * plan.spec.seeds.length);
    return [
      name,
      rates.map(rate).join(", "),
      runs,
      String(found?.steps ?? ""),
      found ? shownBytes(found.peak_memory_bytes) : "",
    ];
  });
  return `${table(["method", "learning rates", "runs", "steps", "memory"], rows)}\n${workText(prepared)}`;
};

/** The table of methods, and what was not run. */
const summary = (document: ComparisonDocument): string => {
  const { rows, reference, levels, style, cells } = document;
  const main = levels.at(-1);
  const at = main === undefined ? "no level" : told(document, main);
  const lines = rows.map(({ method, selected, minus }) => [
    method,
    selected === undefined ? "–" : rate(selected.rate),
    percent(selected?.average ?? Number.NaN),
    selected === undefined ? "–" : told(document, selected.style),
    method === reference ? "" : points(minus),
  ]);
  const missing = cells.filter(({ reason }) => reason !== undefined).length;
  return [
    table(["method", "lr", "skill", style, `− ${reference} at ${at}, points`], lines),
    ...(missing === 0 ? [] : [`${missing} of ${cells.length} runs have no numbers; the report says why`]),
  ].join("\n");
};

/** `taugrad compare`: a grid on a user's own model and data, and its report. */
export const compareCommand = async (values: Values<"compare">, out: Output): Promise<void> => {
  if (process.env[WORKER] !== undefined && process.send !== undefined) {
    const { serveJobs } = await import("../../run/compare/worker.js");
    return serveJobs();
  }
  const { specOf } = await import("../../run/compare/spec.js");
  const { prepareCompare, reportIn, resultsIn, runCompare } = await import("../../run/compare/compare.js");
  const { makeSweep } = await import("../../lab/sweep/run.js");
  const { forkWorker } = await import("../../lab/sweep/workers.js");
  const { compareGraph } = await import("../../run/compare/jobs.js");
  const { grid: path, processes } = values;
  const spec = specOf(await readYamlObject(path), path);
  const folder = values.output_dir ?? spec.outputDir;
  if (folder === undefined)
    throw new InputError(`${path}: output_dir is missing; name a folder for the report there, or give --output-dir`);
  const prepared = await prepareCompare(spec, folder, out);
  const { budget, jobs, methods } = prepared;
  for (const line of budget.damaged) out.note(`warning: ${line}; it is computed again`);
  const asked = {
    ...{ what: "compare", folder, graph: compareGraph, jobs, pending: budget.pending },
    ...{ words: ["compare", resolve(path)], reads: [resolve(path)] },
  };
  if (handled(values, asked, out)) return;
  if (values.dry_run) {
    const told = { jobs: jobs.length, pending: budget.pending.length, methods: Object.fromEntries(methods) };
    return out.result(told, () => planText(prepared));
  }
  makeSweep(folder);
  const farewell = "what is done stays in the cache, and the same command goes on from there";
  const document = await orLeft(farewell, async () => {
    out.note(workText(prepared));
    out.start();
    const threads = String(Math.max(1, Math.floor(availableParallelism() / processes)));
    const script = { path: process.argv[1], args: ["compare", path], env: { [WORKER]: "1", TAUGRAD_THREADS: threads } };
    const line = progress({ label: "compare, jobs", total: budget.pending.length, stream: process.stderr });
    return runCompare(prepared, {
      ...{ processes, stage: values.stage },
      openWorker: (cache) => forkWorker(script, cache),
      onReport: ({ jobs: done }) => line.step(done, {}),
    }).finally(() => line.done());
  });
  if (document === undefined)
    return out.result({ stage: values.stage }, () => `stage ${values.stage} is done; others build on it`);
  for (const { method, rate: x, seed, reason } of document.cells)
    if (reason !== undefined) out.note(`warning: ${method}, learning rate ${x}, seed ${seed}: not run: ${reason}`);
  const [results, report] = [resultsIn(folder), reportIn(folder)];
  const { levels, rows, cells } = document;
  out.result(
    { results, report, levels, rows, not_run: cells.filter(({ reason }) => reason !== undefined) },
    () => `${summary(document)}\n\nreport: ${report}\nnumbers: ${results}`,
  );
};
