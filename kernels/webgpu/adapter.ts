import { DeviceError } from "../../core/index.js";

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
  readonly subgroupMatrixConfigs: readonly unknown[];
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** An adapter, and the Dawn instance that must outlive its devices. */
export interface Found {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly report: AdapterReport;
}

/** Why there is no WebGPU here, in one line, and how to mend it. */
const NO_ADAPTER_HINT =
  "install a Vulkan driver (NVIDIA, or Mesa 24 and later: mesa-vulkan-drivers), or use --device cpu";

/** npm `webgpu` with its native module: loaded only when asked for. */
const loadDawn = async (): Promise<typeof import("webgpu")> => {
  try {
    return await import("webgpu");
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new DeviceError(
      `webgpu: Dawn's native module does not load on ${process.platform}-${process.arch}: ${why}`,
      "reinstall the webgpu package (npm ci), or use --device cpu",
    );
  }
};

const reportOf = (adapter: GPUAdapter): AdapterReport => {
  const info = adapter.info as GPUAdapterInfo & { readonly subgroupMatrixConfigs?: Iterable<unknown> };
  const names = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = (adapter.limits as unknown as Record<string, unknown>)[name];
    if (typeof value === "number") limits[name] = value;
  }
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    software: info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|warp|basic render/i.test(names),
    isFallbackAdapter: info.isFallbackAdapter === true,
    subgroupMinSize: info.subgroupMinSize,
    subgroupMaxSize: info.subgroupMaxSize,
    subgroupMatrixConfigs: [...(info.subgroupMatrixConfigs ?? [])],
    features: [...adapter.features].sort(),
    limits,
  };
};

/** One line for people. */
export const nameOf = (report: AdapterReport): string => {
  const name = report.description || report.device || report.architecture || "unnamed adapter";
  return `${name} (${report.vendor || "unknown vendor"})`;
};

/** Hardware first: Dawn's order is the driver's, and a software adapter may come first. Errors: DeviceError if there is none. */
export const findAdapter = async (): Promise<Found> => {
  const dawn = await loadDawn();
  const gpu = dawn.create([]) as GPU;
  let software: Found | undefined;
  for (const powerPreference of ["high-performance", "low-power"] as const) {
    const adapter = await gpu.requestAdapter({ powerPreference });
    if (adapter === null) continue;
    const found = { gpu, adapter, report: reportOf(adapter) };
    if (!found.report.software) return found;
    software ??= found;
  }
  if (software === undefined) throw new DeviceError("webgpu: no adapter: this machine has no usable GPU driver", NO_ADAPTER_HINT);
  return software;
};
