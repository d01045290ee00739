import { DeviceError } from "../../core/index.js";
import { type AdapterReport, nameOf, type SubgroupMatrixConfig } from "./adapter-report.js";
import { flagsOf, type Mode, modeOf, TOGGLES } from "./modes.js";
import { vulkanProblem, whyNoAdapter } from "./vulkan.js";

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
  const info = adapter.info as GPUAdapterInfo & { readonly subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig> };
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
    // Copied out: Dawn's objects have getters that JSON does not see.
    subgroupMatrixConfigs: [...(info.subgroupMatrixConfigs ?? [])].map(
      ({ componentType, resultComponentType, M, N, K }) => ({ componentType, resultComponentType, M, N, K }),
    ),
    features: [...adapter.features].sort(),
    limits,
  };
};

/** The adapters that Dawn gives, hardware before software. Errors: DeviceError if the native module does not load. */
export const findAll = async (mode: Mode = modeOf()): Promise<Found[]> => {
  if (vulkanProblem() !== undefined) return [];
  const dawn = await loadDawn();
  const gpu = dawn.create(flagsOf(TOGGLES[mode].on, TOGGLES[mode].off)) as GPU;
  const found: Found[] = [];
  // Dawn answers with the driver's first adapter of the wanted kind; a software one may come before a GPU.
  for (const options of [{ powerPreference: "high-performance" }, { powerPreference: "low-power" }] as const) {
    const adapter = await gpu.requestAdapter(options).catch(() => null);
    if (adapter === null) continue;
    const report = reportOf(adapter);
    const isKnown = found.some(
      ({ report: other }) => nameOf(other) === nameOf(report) && other.device === report.device,
    );
    if (!isKnown) found.push({ gpu, adapter, report });
  }
  return found.sort((a, b) => Number(a.report.software) - Number(b.report.software));
};

/** The best adapter. Errors: DeviceError if there is none. */
export const findAdapter = async (mode: Mode): Promise<Found> => {
  const [best] = await findAll(mode);
  if (best === undefined) throw new DeviceError(`webgpu: no adapter: ${whyNoAdapter()}`, NO_ADAPTER_HINT);
  return best;
};
