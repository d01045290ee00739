import {
  type Buffer,
  byteLength,
  type Device,
  type DType,
  type Graph,
  type HostData,
  isHalf,
  type Planned,
  type Planner,
  type Program,
  type ProgramMemory,
  reachable,
  rewrite,
  sizeOf,
  type Tensor,
} from "../../core/index.js";
import { placeholder } from "../../core/ops/leaf.js";

const bytesOf = ({ shape, dtype }: Pick<Tensor, "shape" | "dtype">): number => byteLength(dtype, sizeOf(shape));

/** From this size on no planner looks into a constant, and none need hold it. */
const LARGE = 1 << 16;

/** A graph whose large constants, such as weights from the host, are inputs. */
const withoutConstants = ({ inputs, outputs, donated }: Graph): readonly [graph: Graph, constants: number] => {
  const large = reachable(outputs).filter((t) => t.op.name === "constant" && bytesOf(t) >= LARGE);
  const stand = new Map(large.map((t) => [t, placeholder(t.shape, t.dtype)]));
  const graph = { inputs: [...inputs, ...stand.values()], outputs: rewrite(outputs, (t) => stand.get(t)), donated };
  return [graph, large.reduce((sum, t) => sum + bytesOf(t), 0)];
};

/** A device that keeps account. */
export interface PlanningDevice extends Device {
  /** The largest buffer so far, and what lies in it. */
  readonly largest: () => Planned["largest"];
}

/**
 * A device that plans programs as `planner` does and never runs them: it keeps account of the memory that they would take.
 * Whatever trains on a device can be rehearsed on this one; every number read back is 0.
 */
export const planningDevice = (planner: Planner): PlanningDevice => {
  let [liveBuffers, live, constants, peak, programs, launches] = [0, 0, 0, 0, 0, 0];
  let largest: Planned["largest"] = { bytes: 0, of: "nothing" };
  const plan = (graph: Graph): Planned => {
    const planned = planner.plan(graph);
    if (planned.largest.bytes > largest.bytes) largest = planned.largest;
    return planned;
  };
  const account = (working: number): void => {
    peak = Math.max(peak, live + constants + working);
  };
  const own = (bytes: number): Buffer => {
    liveBuffers++;
    live += bytes;
    account(0);
    return { bytes };
  };
  const freed = new WeakSet<Buffer>();
  /** One piece of memory for all that is read: a run that keeps its state on the host would fill it with zeros. */
  let zeros = new ArrayBuffer(0);
  const zerosOf = (dtype: DType, size: number): HostData => {
    if (zeros.byteLength < 4 * size) zeros = new ArrayBuffer(4 * size);
    if (isHalf(dtype)) return new Uint16Array(zeros, 0, size);
    if (dtype === "f32") return new Float32Array(zeros, 0, size);
    return dtype === "i32" ? new Int32Array(zeros, 0, size) : new Uint32Array(zeros, 0, size);
  };
  const free = (buffer: Buffer): void => {
    if (freed.has(buffer)) return;
    freed.add(buffer);
    liveBuffers--;
    live -= buffer.bytes;
  };
  return {
    name: planner.name,
    description: planner.description,
    limits: planner.limits,
    plan,
    largest: () => largest,
    isOpen: () => true,
    upload: (_, shape, dtype) => own(bytesOf({ shape, dtype })),
    read: async (_, shape, dtype) => zerosOf(dtype, sizeOf(shape)),
    free,
    build: (graph): Program => {
      const [planned, large] = withoutConstants(graph);
      const program = plan(planned);
      const { inputs, constants: small } = program.memory;
      const memory: ProgramMemory = { ...program.memory, inputs: inputs - large, constants: small + large };
      programs++;
      constants += memory.constants;
      account(0);
      return {
        memory,
        run: (buffers) => {
          account(memory.peak - memory.inputs - memory.constants);
          launches += program.launches;
          for (const i of graph.donated ?? []) free(buffers[i]);
          return graph.outputs.map((t) => own(bytesOf(t)));
        },
        free: () => {
          constants -= memory.constants;
        },
      };
    },
    stats: () => ({
      liveBuffers,
      liveBytes: live + constants,
      peakBytes: peak,
      programs,
      kernels: 0,
      launches,
      bindings: 0,
      keptBytes: live,
    }),
    close: async () => {},
  };
};
