import { readFileSync } from "node:fs";
import { InputError } from "../../core/index.js";
import { type AdapterReport, describeAdapters, PROFILE_NAMES, type ProfileName } from "../../kernels/index.js";
import { modeOf } from "../../kernels/webgpu/adapter/modes.js";
import { nameOf } from "../../kernels/webgpu/adapter/report.js";
import { profileFor, withKernels } from "../../kernels/webgpu/planners.js";
import type { Profile } from "../../kernels/webgpu/prepare.js";
import { profileOf } from "../../kernels/webgpu/profiles.js";
import { type ModelConfig, readConfig } from "../../models/index.js";
import { NAMES, SHAPES } from "../shapes.js";
import { readArguments } from "./arguments.js";
import { statsOf, tellsStats } from "./driver.js";
import { type Row, rowsOf, tableOf } from "./rows.js";
import { planStep } from "./step.js";

/** What programs are planned for: a profile, a file of `taugrad doctor --json`, or this machine's adapter; and its name. */
const profileNamed = async (name: string): Promise<readonly [profile: Profile, name: string]> => {
  if ((PROFILE_NAMES as readonly string[]).includes(name)) return [await profileFor(name as ProfileName), name];
  const reports: readonly AdapterReport[] =
    name === "this" ? await describeAdapters() : JSON.parse(readFileSync(name, "utf8")).adapters;
  const [report] = reports;
  if (report === undefined) throw new InputError(`--adapter ${name}: there is none`);
  return [await withKernels(profileOf(report, name === "this" ? modeOf() : "full")), nameOf(report)];
};

const main = async (): Promise<void> => {
  const { card, shapes, length, pairs, precision, top, ...values } = readArguments(process.argv.slice(2));
  const adapter = values.adapter ?? (tellsStats() ? "this" : "nvidia");
  const [profile, adapterName] = await profileNamed(adapter);
  const models: readonly [name: string, config: ModelConfig][] =
    values.model !== undefined
      ? [[values.model, readConfig(values.model)]]
      : shapes.map((name) => [`(${name}) ${NAMES[name]}`, SHAPES[name]]);
  for (const [name, config] of models) {
    const keys = {
      ...{
        max_length: length,
        per_device_train_batch_size: pairs,
        optim: values.optim,
        precompute_ref_log_probs: true,
      },
      precision,
      ...{ alpha: 1e-6, reserve_p: 0.01 },
    };
    const step = await planStep(config, profile, keys);
    const rows = rowsOf(step, card);
    const kernels = [...new Map(rows.flatMap((row) => row.kernels.map((kernel) => [kernel.code, kernel]))).values()];
    const stats = tellsStats() && values.compile !== undefined ? await statsOf(kernels, values.compile) : undefined;
    const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((n, row) => n + of(row), 0);
    console.log(
      `\n## ${name}, ${pairs} pair${pairs > 1 ? "s" : ""} of ${length} tokens, ${values.optim}${precision === "f16" ? ", operands of f16" : ""}, planned for ${adapterName}\n`,
    );
    console.log(
      `${sum((r) => r.launches)} launches of ${kernels.length} kernels; ${(sum((r) => r.flops) / 1e12).toFixed(2)} TFLOP, ` +
        `${(sum((r) => r.bytes) / 1e9).toFixed(1)} GB; ${sum((r) => r.ms).toFixed(1)} ms at the peak of an ${card.name}; ` +
        `${(step.peak / 2 ** 30).toFixed(2)} GiB at the busiest moment` +
        `${stats === undefined ? "" : `; ${[...stats.values()].filter(({ spills, scratch }) => spills + scratch > 0).length} kernels spill`}\n`,
    );
    const spills = ({ kernels: own }: Row) => own.some(({ code }) => (stats?.get(code)?.spills ?? 0) > 0);
    console.log(
      tableOf(
        rows.filter((row, i) => i < top || spills(row)),
        stats,
      ),
    );
    const others = rows.filter((row, i) => i >= top && !spills(row));
    const rest = others.reduce((n, { share }) => n + share, 0);
    if (others.length > 0)
      console.log(`\n${others.length} rows more, ${(100 * rest).toFixed(1)} % (--top ${rows.length} shows all).`);
  }
};

try {
  await main();
} catch (error) {
  console.error(`kernels: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof InputError ? 2 : 1;
}
