import type { Planner } from "../../core/index.js";
import { type Features, type MatrixShape, NO_FEATURES } from "./adapter/features.js";
import { type AdapterReport, nameOf } from "./adapter/report.js";
import { engineFor } from "./engines/choose.js";
import type { Profile, Traits } from "./prepare.js";
import type { ProfileName } from "./profile-names.js";
import { profileOf } from "./profiles.js";

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
} as const satisfies Record<ProfileName, Traits & { readonly description: string }>;

/** With the kernels that are such an adapter's. */
export const withKernels = async (traits: Traits): Promise<Profile> => ({
  ...traits,
  kernelSet: (await engineFor(traits)).kernelSet,
});

/** What programs depend on of an adapter of that kind. */
export const profileFor = (name: ProfileName): Promise<Profile> => withKernels(PROFILES[name]);

const plannerOf = async (description: string, traits: Traits): Promise<Planner> =>
  (await engineFor(traits)).planner(description, traits);

/** Plans as an adapter of that kind would. */
export const plannerFor = (name: ProfileName): Promise<Planner> =>
  plannerOf(PROFILES[name].description, PROFILES[name]);

/** Plans as the adapter that a report describes, such as one of `taugrad doctor --json` on another machine. */
export const plannerOfReport = (report: AdapterReport): Promise<Planner> =>
  plannerOf(nameOf(report), profileOf(report));
