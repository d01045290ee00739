import { type DoctorReport, doctor, PURPOSES } from "../../kernels/index.js";
import { withDevice } from "../../run/device.js";
import { isFollower } from "../../run/workers/launch.js";
import { type MpiReport, mpiReport } from "../../run/workers/report.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

/**
 * `taugrad doctor`: what this machine offers, to be pasted into a report. Never fails for lack of a GPU, unless a device or an
 * adapter is named: that one is opened.
 */
export const doctorCommand = async (values: Values<"doctor">, out: Output): Promise<void> => {
  const mpi = await mpiReport();
  if (isFollower(process.env)) return; // the first rank speaks
  const report = await doctor();
  const isNamed = values.device !== "auto" || values.adapter !== undefined;
  const opened = isNamed ? await withDevice(values, out, async ({ description }) => description) : undefined;
  out.result({ ...report, mpi, opened }, () =>
    [describe(report), describeMpi(mpi), ...(opened === undefined ? [] : [`opened     ${opened}`])].join("\n"),
  );
};

const describeMpi = ({ version, missing, ranks, hosts, latency_us, bytes_per_second }: MpiReport): string => {
  if (missing !== undefined) return `mpi        ${missing}`;
  if (ranks === undefined || latency_us === undefined || bytes_per_second === undefined) return `mpi        ${version}`;
  const where = `${ranks} ranks on ${hosts === 1 ? "one host" : `${hosts} hosts`}`;
  return `mpi        ${version}: ${where}, all hear of all in ${latency_us.toFixed(0)} µs, ${(bytes_per_second / 1e9).toFixed(2)} GB/s to the next`;
};

/** Limits that decide what fits; --json has all of them. */
const shownLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;

const size = (bytes: number): string =>
  bytes >= 2 ** 30
    ? `${(bytes / 2 ** 30).toFixed(2)} GiB`
    : bytes >= 2 ** 20
      ? `${(bytes / 2 ** 20).toFixed(0)} MiB`
      : `${bytes}`;

const line = (name: string, value: string | number): string => `  ${name.padEnd(40)} ${value}`;

const purposeOf = (toggle: string, gives: readonly string[]): string =>
  gives.length > 0
    ? `unlocks ${gives.join(", ")}`
    : `${PURPOSES[toggle] ?? ""}; unlocks no feature here`.replace(/^; /, "");

const describeAdapter = (adapter: DoctorReport["adapters"][number], i: number): string[] => {
  const { name, vendor, architecture, description, device, software, limits, features, alike = 1 } = adapter;
  const { subgroupMinSize: low, subgroupMaxSize: high, subgroupMatrixConfigs: matrices, unlocked, missing } = adapter;
  const subgroups = low === undefined ? "not told" : low === high ? `${low}` : `${low} … ${high}`;
  const kind = [vendor, architecture].filter((part) => part).join(", ");
  return [
    `adapter ${i}  ${name || description || device || "unnamed"} (${kind})${software ? ", software" : ""}${alike > 1 ? `, ${alike} of them` : ""}`,
    line("driver", description || "not told"),
    ...shownLimits
      .filter((key) => limits[key] !== undefined)
      .map((key) => line(key, key.endsWith("Size") ? size(limits[key]) : limits[key])),
    line("subgroup size", subgroups),
    line("subgroup matrices", matrices.length === 0 ? "none" : `${matrices.length} shapes`),
    line("features", features.join(" ") || "none"),
    ...unlocked.map(({ toggle, gives }) => line(toggle, purposeOf(toggle, gives))),
    ...missing.map(({ feature, why }) => line(`no ${feature}`, why)),
  ];
};

/** A doctor's report for people, in lines. */
export const describe = ({ platform, node, mode, adapters, problem, hints, auto, bits }: DoctorReport): string =>
  [
    `platform   ${platform}, node ${node}`,
    `mode       ${mode}`,
    ...adapters.flatMap(describeAdapter),
    ...(problem === undefined ? [] : [`webgpu     ${problem}`]),
    ...hints.map((hint) => `hint       ${hint}`),
    `auto       ${auto.device}: ${auto.why}`,
    `bits       ${bits}`,
  ].join("\n");
