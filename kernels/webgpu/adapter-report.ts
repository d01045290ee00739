/** One shape that subgroup matrices (tensor cores) come in. */
export interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What a person or a program may want to know of an adapter. */
export interface AdapterReport {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** Runs on the CPU: SwiftShader, llvmpipe (lavapipe), WARP. */
  readonly software: boolean;
  readonly isFallbackAdapter: boolean;
  readonly subgroupMinSize: number | undefined;
  readonly subgroupMaxSize: number | undefined;
  /** Tensor-core shapes, as Dawn lists them; empty where there are none. */
  readonly subgroupMatrixConfigs: readonly SubgroupMatrixConfig[];
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** An adapter's name and vendor, for people. */
export const nameOf = ({ description, device, architecture, vendor }: AdapterReport): string =>
  `${description || device || architecture || "unnamed adapter"} (${vendor || "unknown vendor"})`;
