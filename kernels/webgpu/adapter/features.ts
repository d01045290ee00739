import type { AdapterReport } from "./report.js";

/** One shape that subgroup matrices (tensor cores) come in: [m,k] × [k,n], components "f16", "i8", …, sums "f32", "f16", …. */
export interface MatrixShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly componentType: string;
  readonly resultType: string;
}

/** What a device may do beyond what every one may: kernels ask here, and never the device. */
export interface Features {
  /** f16 is a type of WGSL (`enable f16`). */
  readonly f16: boolean;
  readonly subgroups: boolean;
  /** Kernels may say how many invocations a subgroup has, where that varies. */
  readonly sizedSubgroups: boolean;
  /** Subgroup matrices, as the adapter lists them; empty where there are none. */
  readonly matrices: readonly MatrixShape[];
  /** Passes may be timed. */
  readonly timestamps: boolean;
}

/** Nothing but what WebGPU promises everywhere. */
export const NO_FEATURES: Features = {
  f16: false,
  subgroups: false,
  sizedSubgroups: false,
  matrices: [],
  timestamps: false,
};

/** By their names in Dawn. */
const NAMES = {
  f16: "shader-f16",
  subgroups: "subgroups",
  sizedSubgroups: "subgroup-size-control",
  matrices: "chromium-experimental-subgroup-matrix",
  timestamps: "timestamp-query",
} as const satisfies Record<keyof Features, string>;

/** The features that an adapter offers, of those that something here uses. */
export const featuresOf = ({ features, subgroupMatrixConfigs }: AdapterReport): Features => {
  const has = (name: keyof Features): boolean => features.includes(NAMES[name]);
  return {
    f16: has("f16"),
    subgroups: has("subgroups"),
    sizedSubgroups: has("sizedSubgroups"),
    matrices: !has("matrices")
      ? []
      : subgroupMatrixConfigs.map(({ componentType, resultComponentType: resultType, M: m, N: n, K: k }) => ({
          ...{ m, n, k, componentType, resultType },
        })),
    timestamps: has("timestamps"),
  };
};

/** What to ask a device for, so that it has these features. */
export const namesOf = (features: Features): string[] =>
  (Object.keys(NAMES) as (keyof Features)[])
    .filter((name) => (name === "matrices" ? features.matrices.length > 0 : features[name]))
    .map((name) => NAMES[name]);
