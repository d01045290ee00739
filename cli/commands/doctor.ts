import { type DoctorReport, doctor } from "../../kernels/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { withDevice } from "../session.js";

/**
 * `taugrad doctor`: what this machine offers, to be pasted into a report. Never fails for lack of a GPU, unless a device is
 * named: that one is opened.
 */
export const doctorCommand = async ({ device: name }: Values<"doctor">, out: Output): Promise<void> => {
  const report = await doctor();
  const opened = name === "auto" ? undefined : await withDevice(name, out, async ({ description }) => description);
  out.result({ ...report, opened }, () =>
    opened === undefined ? describe(report) : `${describe(report)}\nopened     ${opened}`,
  );
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

const describeAdapter = (adapter: DoctorReport["adapters"][number], i: number): string[] => {
  const { vendor, architecture, description, device, software, limits, features } = adapter;
  const { subgroupMinSize: low, subgroupMaxSize: high, subgroupMatrixConfigs: matrices } = adapter;
  const subgroups = low === undefined ? "not told" : low === high ? `${low}` : `${low} … ${high}`;
  return [
    `adapter ${i}  ${description || device || "unnamed"} (${[vendor, architecture].filter((part) => part).join(", ")})${software ? ", software" : ""}`,
    ...shownLimits
      .filter((name) => limits[name] !== undefined)
      .map((name) => `  ${name.padEnd(34)} ${name.endsWith("Size") ? size(limits[name]) : limits[name]}`),
    `  ${"subgroup size".padEnd(34)} ${subgroups}`,
    `  ${"subgroup matrices".padEnd(34)} ${matrices.length === 0 ? "none" : `${matrices.length} shapes`}`,
    `  ${"features".padEnd(34)} ${features.join(" ") || "none"}`,
  ];
};

const describe = ({ platform, node, adapters, problem, auto }: DoctorReport): string =>
  [
    `platform   ${platform}, node ${node}`,
    ...adapters.flatMap(describeAdapter),
    ...(problem === undefined ? [] : [`webgpu     ${problem}`]),
    `auto       ${auto.device}: ${auto.why}`,
  ].join("\n");
