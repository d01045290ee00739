import {
  type Buffer,
  byteLength,
  type Device,
  DeviceError,
  DeviceLostError,
  type DType,
  type Graph,
  type HostData,
  isHalf,
  OutOfMemoryError,
  type Planned,
  type Program,
  sizeOf,
  tellForgotten,
} from "../../core/index.js";
import { buildStaged, planStaged } from "../../core/loops/staged.js";
import { webgpu as platform } from "../platform/node/webgpu.js";
import type { Mode } from "./adapter/modes.js";
import type { AdapterReport } from "./adapter/report.js";
import type { Gpu, GpuBuffer } from "./gpu.js";
import type { WebgpuOptions } from "./options.js";
import { createPipelines } from "./pipelines.js";
import { createPool } from "./pool.js";
import { type Profile, planWebgpu } from "./prepare.js";
import { buildProgram } from "./program.js";
import { createQueue } from "./queue.js";
import type { TuneOptions, Tuning } from "./tuning/options.js";
import { MAP_READ, USAGE } from "./usage.js";

/** Bytes that are copied at once: more is no faster, and staging takes as much again. */
const COPY = 256 * 2 ** 20;

/** The word that a device is lost comes after what fails by it; milliseconds that it is waited for. */
const GOING = 100;

const arrayOf = (dtype: DType, bytes: ArrayBuffer, elements: number): HostData =>
  isHalf(dtype)
    ? new Uint16Array(bytes, 0, elements)
    : dtype === "f32"
      ? new Float32Array(bytes)
      : dtype === "i32"
        ? new Int32Array(bytes)
        : new Uint32Array(bytes);

/** Numbers as they lie on the device, in whole words. */
const wordsOf = (data: HostData): Float32Array | Int32Array | Uint32Array => {
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (!(data instanceof Uint16Array)) return data;
  const isWhole = data.length % 2 === 0 && data.byteOffset % 4 === 0;
  if (isWhole) return new Uint32Array(data.buffer, data.byteOffset, data.length / 2);
  const words = new Uint32Array(Math.ceil(data.length / 2));
  new Uint16Array(words.buffer).set(data);
  return words;
};

/** What an adapter gave. */
export interface Granted {
  readonly device: GPUDevice;
  /** Dawn's: devices do not outlive it. */
  readonly instance: GPU;
  readonly report: AdapterReport;
  readonly mode: Mode;
  /** How the adapter is called. */
  readonly name: string;
}

/** Finds out which tiles are fast on an adapter, or remembers it. */
export type FindTuning = (gpu: Gpu, granted: Granted, options: TuneOptions) => Promise<Tuning | undefined>;

/** A device over what an adapter gave; `tuningOf` where its kernels have tiles to choose among. */
export const openDevice = async (
  granted: Granted,
  profile: Profile,
  options: WebgpuOptions,
  tuningOf?: FindTuning,
): Promise<Device> => {
  const { device, instance, report, mode, name } = granted;
  const { limits } = profile;

  // Kept for good: after an error nobody knows which numbers on the device are right.
  let failure: DeviceError | undefined;
  const fail = (error: unknown) => {
    // A buffer that could not be had, and a device that went away, make errors of their own, in whatever order.
    if (isCause(error) && !isCause(failure)) failure = error;
    failure ??= error instanceof DeviceError ? error : new DeviceError(`webgpu: ${messageOf(error)}`);
  };
  const check = () => {
    if (failure !== undefined) throw failure;
  };
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault(); // else Dawn prints it as well
    fail((event as GPUUncapturedErrorEvent).error);
  });
  let closing = false;
  const checkOpen = () => {
    if (closing) throw new DeviceError("webgpu: the device is closed", "open another one");
    check();
  };
  void device.lost.then(({ reason, message }) => {
    if (closing) return;
    const why = message.trim().split("\n")[0];
    fail(
      new DeviceLostError(
        `webgpu: the device was lost (${reason}${why === "" ? "" : `: ${why}`})`,
        "open another one; what lay on it is gone, and training goes on from its last snapshot",
      ),
    );
  });

  const queue = createQueue(fail);
  const pool = createPool(device, limits, queue, fail);
  const pipelines = createPipelines(device, fail);
  /** Bytes that are copied to or from the host at once. */
  const piece = Math.min(COPY, limits.maxStorageBufferBindingSize);
  const live = new Set<GpuBuffer>();
  let [liveBytes, programs, launches, bindings] = [0, 0, 0, 0];

  const own = (bytes: number, of?: string): GpuBuffer => {
    const buffer = { bytes, block: pool.take(bytes, of) };
    live.add(buffer);
    liveBytes += bytes;
    return buffer;
  };
  const free = (buffer: Buffer) => {
    if (!live.delete(buffer as GpuBuffer)) return;
    liveBytes -= buffer.bytes;
    pool.give((buffer as GpuBuffer).block);
  };
  const rename = (buffer: Buffer): GpuBuffer => {
    live.delete(buffer as GpuBuffer);
    const renamed = { ...(buffer as GpuBuffer) };
    live.add(renamed);
    return renamed;
  };
  const upload = (data: HostData, of?: string): GpuBuffer => {
    const words = wordsOf(data);
    const buffer = own(words.byteLength, of);
    if (words.length === 0) return buffer;
    const copy = queue.idle() || words.buffer !== data.buffer ? words : words.slice(); // the caller may change it before its turn
    queue.push(() => {
      for (let at = 0; at < copy.byteLength; at += piece) {
        const some = new Uint8Array(
          copy.buffer as ArrayBuffer,
          copy.byteOffset + at,
          Math.min(piece, copy.byteLength - at),
        );
        device.queue.writeBuffer(buffer.block.gpu, at, some);
      }
    });
    return buffer;
  };

  const untuned: Gpu = {
    device,
    ...profile,
    pool,
    pipelines,
    queue,
    own,
    rename,
    upload,
    free,
    blockOf: (buffer) => (buffer as GpuBuffer).block,
    count: (n) => {
      launches += n;
    },
    countBinding: () => {
      bindings++;
    },
  };

  /** Copies a buffer's first bytes to the host, as they are once all that is queued has run; through buffers of one piece each. */
  const download = async (buffer: GpuBuffer, bytes: number): Promise<ArrayBuffer> => {
    const numbers = new Uint8Array(bytes);
    const staged = Array.from({ length: Math.ceil(bytes / piece) }, (_, i) => {
      const size = Math.min(piece, bytes - i * piece);
      return { at: i * piece, size, gpu: device.createBuffer({ size, usage: USAGE.copyTarget | USAGE.mapRead }) };
    });
    try {
      await new Promise<void>((resolve, reject) => {
        queue.push(() => {
          try {
            const encoder = device.createCommandEncoder();
            for (const { at, size, gpu: to } of staged) encoder.copyBufferToBuffer(buffer.block.gpu, at, to, 0, size);
            device.queue.submit([encoder.finish()]);
            resolve();
          } catch (error) {
            reject(error);
          }
        });
      });
      for (const { at, size, gpu: from } of staged) {
        await platform.patiently(from.mapAsync(MAP_READ, 0, size), device);
        numbers.set(new Uint8Array(from.getMappedRange(0, size)), at);
        from.destroy();
      }
      return numbers.buffer;
    } finally {
      for (const { gpu: from } of staged) from.destroy();
    }
  };

  const tuning = untuned.rates === undefined ? await tuningOf?.(untuned, granted, options) : undefined;
  if (tuning !== undefined) options.tuned?.(tuning);
  const gpu: Gpu = tuning === undefined ? untuned : { ...untuned, rates: tuning.rates };

  const planOne = (graph: Graph): Planned => {
    checkOpen();
    return planWebgpu(graph, gpu);
  };
  const buildOne = (graph: Graph): Program => {
    checkOpen();
    programs++;
    return buildProgram(gpu, graph, () => {
      if (closing) checkOpen();
    });
  };

  const opened: Device = {
    name: "webgpu",
    isOpen: () => !closing,
    description: `webgpu: ${name}${report.software ? ", a software adapter" : ""}${mode === "full" ? "" : `, ${mode}`}`,
    limits: { buffer: limits.maxBufferSize },
    upload: (data, shape, dtype) => {
      checkOpen();
      return upload(data, `${dtype}[${shape}]`);
    },
    read: async (buffer, shape, dtype) => {
      checkOpen();
      const bytes = byteLength(dtype, sizeOf(shape));
      if (bytes === 0) return arrayOf(dtype, new ArrayBuffer(0), 0);
      try {
        const numbers = await download(buffer as GpuBuffer, bytes);
        check();
        return arrayOf(dtype, numbers, sizeOf(shape));
      } catch (error) {
        fail(error);
        const later = new Promise((then) => setTimeout(then, GOING));
        if (!isCause(failure)) await platform.patiently(Promise.race([device.lost, later]));
        throw failure;
      }
    },
    free,
    plan: (graph) => planStaged(graph, planOne),
    build: (graph) => buildStaged(graph, buildOne, free),
    stats: () => ({
      ...{ liveBuffers: live.size, liveBytes, peakBytes: pool.peakBytes(), programs, launches, bindings },
      keptBytes: pool.bytes(),
      kernels: pipelines.count(),
    }),
    close: async () => {
      if (closing) return;
      tellForgotten(opened);
      closing = true;
      await queue.drained();
      await platform.patiently(device.queue.onSubmittedWorkDone(), device).catch(() => {});
      for (const buffer of live) buffer.block.gpu.destroy();
      live.clear();
      pool.destroy();
      device.destroy();
      void instance; // kept alive until here: Dawn's devices do not outlive it
    },
  };
  return opened;
};

const isCause = (error: unknown): error is DeviceError =>
  error instanceof OutOfMemoryError || error instanceof DeviceLostError;

const messageOf = (error: unknown): string => {
  const message = (error as { readonly message?: unknown } | null)?.message;
  return (typeof message === "string" ? message : String(error)).trim();
};
