import type { Dawn } from "../../platform/platform.js";
import { flagsOf, type Toggles } from "./modes.js";
import type { AdapterReport, SubgroupMatrixConfig } from "./report.js";

/** A name that no driver gives: Dawn answers with the names that there are. */
const NOBODY = "(the name of no adapter)";

/** The names in Dawn's answer to a name that nobody has: lines like ` * backend: 'vulkan', name: 'llvmpipe'`. */
export const namesIn = (answer: string): string[] =>
  [...answer.matchAll(/^ \* backend: '[^']*', name: '(.*)'$/gm)].map(([, name]) => name);

/** Every adapter of the machine by its driver's name, in the driver's order; equal ones as often as there are. */
export const listNames = async (dawn: Dawn, toggles: Toggles): Promise<string[]> => {
  const gpu = dawn.create([...flagsOf(toggles), `adapter=${NOBODY}`]) as GPU;
  return gpu.requestAdapter().then(
    () => [],
    (error) => namesIn(String(error instanceof Error ? error.message : error)),
  );
};

/** The adapter whose name Dawn takes when it is asked for `names[at]`: the first that contains it. */
export const reached = (names: readonly string[], at: number): number =>
  names.findIndex((name) => name.includes(names[at]));

/** An instance, which must outlive its devices, and the adapter of that name that it gives; without a name, its best. */
export const askFor = async (
  dawn: Dawn,
  toggles: Toggles,
  name?: string,
): Promise<{ gpu: GPU; adapter: GPUAdapter } | undefined> => {
  const gpu = dawn.create([...flagsOf(toggles), ...(name === undefined ? [] : [`adapter=${name}`])]) as GPU;
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  return adapter === null ? undefined : { gpu, adapter };
};

/** What Dawn tells of an adapter, copied out: its objects have getters that JSON does not see. */
export const reportOf = (adapter: GPUAdapter): AdapterReport => {
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
    subgroupMatrixConfigs: [...(info.subgroupMatrixConfigs ?? [])].map(
      ({ componentType, resultComponentType, M, N, K }) => ({ componentType, resultComponentType, M, N, K }),
    ),
    features: [...adapter.features].sort(),
    limits,
  };
};
