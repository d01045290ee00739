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
  /** The driver's name for it, such as "NVIDIA H100 80GB HBM3"; undefined in reports of former versions. */
  readonly name?: string;
  /** Adapters of that very name here: Dawn opens the first of them alone. */
  readonly alike?: number;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** Of the driver. */
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
export const nameOf = ({ name, description, device, architecture, vendor }: AdapterReport): string =>
  `${name || description || device || architecture || "unnamed adapter"} (${vendor || "unknown vendor"})`;
