import type { Planner } from "../../core/index.js";
import { type Features, featuresOf, type MatrixShape, NO_FEATURES } from "./adapter/features.js";
import { type Limits, limitsWithin } from "./adapter/limits.js";
import type { Mode } from "./adapter/modes.js";
import { type AdapterReport, nameOf } from "./adapter/report.js";
import type { Layout } from "./kernels/matmul/layouts.js";
import type { Rates } from "./kernels/matmul/rates.js";
import type { Tile } from "./kernels/matmul/tiles.js";
import { type Units, unitsOf } from "./kernels/matmul/units.js";
import { type Profile, planWebgpu } from "./prepare.js";
import type { ProfileName } from "./profile-names.js";

const [KIB, MIB] = [2 ** 10, 2 ** 20];

/** f16 × f16 → f16 and f32 in cubes, as adapters list them. */
const cubes = (size: number): MatrixShape[] =>
  ["f16", "f32"].map((resultType) => ({ m: size, n: size, k: size, componentType: "f16", resultType }));

const all = (matrices: readonly MatrixShape[]): Features => ({
  f16: true,
  subgroups: true,
  sizedSubgroups: true,
  matrices,
  timestamps: true,
});

const shared = { maxComputeWorkgroupsPerDimension: 65_535, minUniformBufferOffsetAlignment: 256 } as const;

/**
 * Adapters to plan for where there are none: what they told Dawn of themselves. Of NVIDIA's the limits are the driver's, for
 * every GPU alike; memory is the card's, and nobody tells it.
 */
const PROFILES = {
  nvidia: {
    description: "an NVIDIA GPU (Vulkan)",
    wide: true,
    subgroup: 32,
    features: all(cubes(16)),
    limits: {
      ...shared,
      maxBufferSize: 4_292_870_144,
      maxStorageBufferBindingSize: 2_147_483_644,
      maxStorageBuffersPerShaderStage: 16,
      maxComputeWorkgroupStorageSize: 48 * KIB,
      minStorageBufferOffsetAlignment: 256,
    },
  },
  lavapipe: {
    description: "lavapipe (Mesa's llvmpipe)",
    wide: false,
    subgroup: 8,
    features: all(cubes(8)),
    limits: {
      ...shared,
      maxBufferSize: 4096 * MIB - 1,
      maxStorageBufferBindingSize: 128 * MIB,
      maxComputeWorkgroupStorageSize: 32 * KIB,
      maxStorageBuffersPerShaderStage: 16,
      minStorageBufferOffsetAlignment: 256,
    },
  },
  swiftshader: {
    description: "SwiftShader",
    wide: false,
    subgroup: 4,
    features: { ...NO_FEATURES, subgroups: true },
    limits: {
      ...shared,
      maxBufferSize: 1024 * MIB,
      maxStorageBufferBindingSize: 1024 * MIB,
      maxComputeWorkgroupStorageSize: 32 * KIB,
      maxStorageBuffersPerShaderStage: 12,
      minStorageBufferOffsetAlignment: 256,
    },
  },
} as const satisfies Record<ProfileName, Profile & { readonly description: string }>;

const plannerOf = (description: string, profile: Profile): Planner => ({
  name: "webgpu",
  description: `webgpu: ${description}`,
  limits: { buffer: profile.limits.maxBufferSize },
  plan: (graph) => planWebgpu(graph, profile),
});

/** What programs depend on of an adapter of that kind. */
export const profileFor = (name: ProfileName): Profile => PROFILES[name];

/** Plans as an adapter of that kind would. */
export const plannerFor = (name: ProfileName): Planner => plannerOf(PROFILES[name].description, PROFILES[name]);

/** Invocations of a subgroup, where there is but one size. */
const fixedSubgroup = ({ subgroupMinSize: least, subgroupMaxSize: most }: AdapterReport): number | undefined =>
  least === most ? least : undefined;

/** How programs are to see an adapter, where that is not all that it has. */
export interface Seen {
  /** Limits to keep to where they are tighter than the adapter's: laws draw them down. */
  readonly limits?: Partial<Limits>;
  /** Features to do without. */
  readonly without?: readonly (keyof Features)[];
  /** What products for GPUs may choose among. Default: all of `TILES`. */
  readonly tiles?: readonly Tile[];
  /** The same on matrix units. */
  readonly layouts?: readonly Layout[];
  /** How fast they are. Default: what was measured on the adapter, else what they say themselves. */
  readonly rates?: Rates;
  /** Most seconds of planned work in a submit. Default: 0.1. */
  readonly sliceSeconds?: number;
}

/** What programs depend on of an adapter. Errors: DeviceError if wider limits are wanted than it has. */
export const profileOf = (
  report: AdapterReport,
  mode: Mode = "full",
  { limits, without = [], tiles, layouts, rates, sliceSeconds }: Seen = {},
): Profile => {
  const features = mode === "plain" ? NO_FEATURES : featuresOf(report);
  const kept = { ...features, ...Object.fromEntries(without.map((name) => [name, NO_FEATURES[name]])) };
  return {
    limits: limitsWithin(report.limits, limits),
    wide: !report.software,
    subgroup: kept.subgroups ? fixedSubgroup(report) : undefined,
    leastSubgroup: kept.subgroups ? report.subgroupMinSize : undefined,
    features: kept,
    tiles,
    layouts,
    rates,
    sliceSeconds,
  };
};

/** The matrix units that products of f16 operands run on, on the adapter that a report describes. */
export const unitsOfReport = (report: AdapterReport): Units | undefined => {
  const { maxComputeWorkgroupStorageSize } = report.limits;
  return unitsOf({
    ...{ features: featuresOf(report), limits: { maxComputeWorkgroupStorageSize } },
    ...{ subgroup: fixedSubgroup(report), leastSubgroup: report.subgroupMinSize },
  });
};

/** Plans as the adapter that a report describes, such as one of `taugrad doctor --json` on another machine. */
export const plannerOfReport = (report: AdapterReport): Planner => plannerOf(nameOf(report), profileOf(report));
