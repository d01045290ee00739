import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { InputError, type Planner } from "../../core/index.js";
import {
  type AdapterReport,
  PROFILE_NAMES,
  type ProfileName,
  plannerFor,
  plannerOfReport,
} from "../../kernels/index.js";
import { readConfig } from "../../models/config.js";
import { isObject, readText } from "../../models/files/json.js";
import { parseBounded } from "../../models/files/parse-json.js";
import { withDevice } from "../../run/device.js";
import { rememberPlans } from "../../run/dry-run/remember-plans.js";
import type { Fit } from "../../run/fit/fit.js";
import { plans } from "../../run/fit/plans.js";
import { firstThatFits, type MemoryValues } from "../../run/fit/remedies.js";
import { type Row, rowOf, shownTable } from "../../run/fit/table.js";
import { withRules } from "../../run/options/rule-file.js";
import { resolveValues } from "../config.js";
import type { OptionName, Values } from "../options.js";
import { commands, optionsOf } from "../options.js";
import type { Output } from "../output.js";

const LENGTHS = [512, 1024, 2048, 4096];
const BATCHES = [1, 2, 4, 8];

/** The folder of a model, named by itself or by its config.json. */
const folderOf = (path: string): string => (existsSync(path) && statSync(path).isFile() ? dirname(path) : path);

/** A report of an adapter: one of `taugrad doctor --json`, or all that it wrote. Errors: InputError. */
const reportIn = (path: string): AdapterReport => {
  let content: unknown;
  try {
    content = parseBounded(readText(path));
  } catch (error) {
    throw new InputError(
      `--adapter ${path}: is neither ${[...PROFILE_NAMES, "cpu", "this"].join(", ")} nor a file of taugrad doctor --json (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  const { adapters } = isObject(content) ? content : {};
  const report = Array.isArray(adapters) ? adapters[0] : content;
  if (!isObject(report) || !isObject(report.limits) || !Array.isArray(report.features))
    throw new InputError(`--adapter ${path}: describes no adapter; taugrad doctor --json does`);
  return report as unknown as AdapterReport;
};

const isProfile = (name: number | string): name is ProfileName => (PROFILE_NAMES as readonly unknown[]).includes(name);

/** Calls `use` with what plans for the adapter that was asked for. */
const withPlanner = async <T>(
  adapter: number | string,
  out: Output,
  use: (planner: Planner) => Promise<T>,
): Promise<T> => {
  if (isProfile(adapter)) return use(await plannerFor(adapter));
  if (adapter === "cpu") return withDevice({ device: "cpu", adapter: undefined }, out, use);
  if (adapter === "this") return withDevice({ device: "auto", adapter: undefined }, out, use);
  if (typeof adapter === "number") return withDevice({ device: "webgpu", adapter }, out, use);
  return use(await plannerOfReport(reportIn(adapter)));
};

/** The keys of a training run of that kind, from those that fit was given. */
const trainingValues = async (values: Values<"fit">): Promise<MemoryValues> => {
  const { for: kind, model } = values;
  const folder = folderOf(model);
  const needed = new Map<OptionName, unknown>(commands[kind].required.map((name) => [name, folder]));
  const own: Record<string, unknown> = { ...(await resolveValues(kind, needed)) };
  const given = values as unknown as Record<string, unknown>;
  for (const name of optionsOf(kind).keys())
    if (given[name] !== undefined && !needed.has(name)) own[name] = given[name];
  return withRules({
    ...own,
    ...(kind === "kto" && { loss_type: ["kto"], shuffle_dataset: false }),
    base_model_name_or_path: folder,
    ranks: values.ranks,
    dry_run: true,
  } as unknown as MemoryValues);
};

/**
 * `taugrad fit`: what a training run would take, for several lengths and batch sizes, before anything is downloaded: of the
 * model only config.json is read. Rows are as long as they may be, and all of them learned. Where it does not fit, the first
 * change of keys that makes it.
 */
export const fitCommand = async (values: Values<"fit">, out: Output): Promise<void> => {
  const config = readConfig(folderOf(values.model));
  const base = await trainingValues(values);
  const plan = plans[values.for];
  await withPlanner(values.adapter, out, async (own) => {
    const planner = rememberPlans(own);
    const memory = values.memory ?? planner.limits?.memory;
    const isLow = ({ peak }: { readonly peak: number }): boolean => memory === undefined || peak <= memory;
    const known = new Map<string, Promise<Fit>>();
    const planned = (wanted: MemoryValues): Promise<Fit> => {
      const key = JSON.stringify(wanted);
      const found = known.get(key) ?? plan(wanted, config, planner);
      known.set(key, found);
      return found;
    };
    const fits = async (wanted: MemoryValues): Promise<boolean> => {
      const fit = await planned(wanted);
      return "rehearsed" in fit && isLow(fit.rehearsed);
    };
    const rows: Row[] = [];
    const lengths = LENGTHS.filter((length) => length <= config.maxPositions);
    const least = values.for === "kto" ? 2 : 1;
    const { max_length: longest = Number.POSITIVE_INFINITY } = values;
    for (const max_length of Number.isFinite(longest) ? [longest] : lengths)
      for (const per_device_train_batch_size of values.per_device_train_batch_size === undefined
        ? BATCHES.filter((n) => n >= least)
        : [values.per_device_train_batch_size]) {
        const wanted = { ...base, max_length, per_device_train_batch_size };
        const isFit = await fits(wanted);
        const remedy = isFit ? undefined : await firstThatFits(wanted, fits);
        rows.push(rowOf(wanted, await planned(wanted), isFit, remedy));
      }
    out.result(
      { model: values.model, adapter: planner.description, ranks: values.ranks, memory_bytes: memory ?? null, rows },
      () =>
        shownTable(rows, { adapter: planner.description, ranks: values.ranks, memory, buffer: planner.limits?.buffer }),
    );
  });
};
