import { DeviceError } from "../../../core/index.js";

/** Limits of a device that programs look at. */
export interface Limits {
  /** Bytes. */
  readonly maxBufferSize: number;
  /** Bytes. */
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  /** Bytes. WebGPU promises 16 KiB, and what every kernel needs that has no smaller form is no more. */
  readonly maxComputeWorkgroupStorageSize: number;
  /** Bytes. */
  readonly minStorageBufferOffsetAlignment: number;
  /** Bytes. */
  readonly minUniformBufferOffsetAlignment: number;
}

/** Limits that WebGPU names and compute shaders meet: of buffers, their bindings and alignments, and workgroups. */
const COMPUTES = /^max(Buffer|Bind|Dynamic|Storage|Uniform|Compute)|^min(Storage|Uniform)Buffer/;

/**
 * What a device is asked for: all that the adapter has of these. Of others an adapter may tell that no device takes: Chromium's
 * has sizes of subgroups among its limits, and refuses to be asked for them.
 */
export const askedOf = (adapter: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(adapter).filter(([name]) => COMPUTES.test(name)));

/** Shaders and drivers count bytes in 32 bits, some of them with a sign. */
const MOST_BINDING = 2 ** 31;

/**
 * The limits to keep to: an adapter's own, drawn tighter by `wanted`. WebGPU itself draws none tighter than its defaults, so
 * programs look here, never at the device's. Errors: DeviceError if more is wanted than the adapter has.
 */
export const limitsWithin = (adapter: Readonly<Record<string, number>>, wanted: Partial<Limits> = {}): Limits => {
  const own = adapter as unknown as Limits;
  const most = (name: keyof Limits): number => drawn(name, Math.min);
  const least = (name: keyof Limits): number => drawn(name, Math.max);
  const drawn = (name: keyof Limits, tighter: (a: number, b: number) => number): number => {
    const limit = wanted[name] ?? own[name];
    if (tighter(limit, own[name]) !== limit)
      throw new DeviceError(`webgpu: limits: ${name} ${limit} is more than this adapter has (${own[name]})`);
    return limit;
  };
  const whole = (bytes: number, unit: number) => bytes - (bytes % unit);
  const maxBufferSize = whole(most("maxBufferSize"), 256);
  const binding = Math.min(most("maxStorageBufferBindingSize"), maxBufferSize, MOST_BINDING);
  return {
    maxBufferSize,
    maxStorageBufferBindingSize: whole(binding, 16), // quads
    maxStorageBuffersPerShaderStage: most("maxStorageBuffersPerShaderStage"),
    maxComputeWorkgroupsPerDimension: most("maxComputeWorkgroupsPerDimension"),
    maxComputeWorkgroupStorageSize: most("maxComputeWorkgroupStorageSize"),
    minStorageBufferOffsetAlignment: least("minStorageBufferOffsetAlignment"),
    minUniformBufferOffsetAlignment: least("minUniformBufferOffsetAlignment"),
  };
};
