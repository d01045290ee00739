import {
  type Buffer,
  constantNumbers,
  type Device,
  DeviceError,
  expand,
  floatToHalf,
  type Graph,
  type HostTensorData,
  hostArray,
  isHalf,
  numbersOf,
  type Program,
  reachable,
  sizeOf,
  type Tensor,
  tellForgotten,
  typeOf,
} from "../../core/index.js";
import { loopAttrs, loopInputs } from "../../core/loops/attrs.js";
import { indexOf } from "../../core/ops/parts.js";

/** A buffer of the reference device: plain numbers, until it is freed. */
interface HostBuffer extends Buffer {
  data: HostTensorData["data"] | undefined;
}

/** What has a definition is computed by it; everything else by its expansion. */
const defined = (outputs: readonly Tensor[]) => expand(outputs, ({ evaluate }) => evaluate !== undefined);

/** Rows stacked along a new first axis. */
const stacked = (rows: readonly HostTensorData[], { shape, dtype }: Tensor): HostTensorData => {
  const data = hostArray(dtype, sizeOf([rows.length, ...shape]));
  rows.forEach((row, i) => {
    data.set(row.data, i * sizeOf(shape));
  });
  return { data, shape: [rows.length, ...shape], dtype };
};

/** Row i of a tensor. */
const rowOf = ({ data, shape, dtype }: HostTensorData, i: number): HostTensorData => {
  const size = sizeOf(shape.slice(1));
  return { data: data.subarray(i * size, (i + 1) * size), shape: shape.slice(1), dtype };
};

/** All results of a loop node: one step after the other. */
const runLoop = (t: Tensor, inputs: readonly HostTensorData[], onLaunch: () => void): HostTensorData[] => {
  const { length, reverse, ...body } = loopAttrs(t);
  const { carries, rows, shared, next, made } = body;
  const given = loopInputs(body, inputs);
  const step: Graph = { inputs: [...carries, ...rows, ...shared], outputs: defined([...next, ...made]) };
  let state = given.init;
  const history = new Array<readonly HostTensorData[]>(length);
  const found = new Array<readonly HostTensorData[]>(length);
  for (let n = 0; n < length; n++) {
    const i = reverse ? length - 1 - n : n;
    const row = given.walked.map((x) => rowOf(x, i));
    history[i] = state;
    const out = interpret(step, [...state, ...row, ...given.shared], onLaunch);
    state = out.slice(0, next.length);
    found[i] = out.slice(next.length);
  }
  const column = (of: readonly (readonly HostTensorData[])[], like: readonly Tensor[]) =>
    like.map((t, j) =>
      stacked(
        of.map((some) => some[j]),
        t,
      ),
    );
  return [...state, ...column(found, made), ...column(history, carries)];
};

/** Computes every node by its op's definition in f64, one at a time, dropping values after their last use. */
const interpret = (graph: Graph, inputs: readonly HostTensorData[], onLaunch: () => void): HostTensorData[] => {
  const order = reachable(graph.outputs);
  const uses = new Map<unknown, number>();
  for (const t of [...graph.outputs, ...order.flatMap((t) => t.inputs)]) uses.set(t, (uses.get(t) ?? 0) + 1);
  const values = new Map<unknown, HostTensorData>(graph.inputs.map((t, i) => [t, inputs[i]]));
  /** Of nodes with several results. */
  const several = new Map<Tensor, readonly HostTensorData[]>();
  for (const t of order) {
    if (values.has(t)) continue;
    if (t.op.name === "constant") values.set(t, constantNumbers(t));
    else if (t.op.kind === "loop") {
      const given = t.inputs.map((input) => values.get(input) as HostTensorData);
      several.set(t, runLoop(t, given, onLaunch));
    } else if (t.op.kind === "part") values.set(t, (several.get(t.inputs[0]) as HostTensorData[])[indexOf(t)]);
    else {
      if (t.op.evaluate === undefined) throw new DeviceError(`reference: op ${t.op.name} has no definition`);
      const data = t.op.evaluate(
        t.inputs.map((input) => values.get(input) as HostTensorData),
        t,
      );
      values.set(t, { data, shape: t.shape, dtype: t.dtype });
      onLaunch();
    }
    for (const input of t.inputs) {
      const left = (uses.get(input) as number) - 1;
      uses.set(input, left);
      if (left > 0) continue;
      values.delete(input);
      several.delete(input);
    }
  }
  return graph.outputs.map((t) => values.get(t) as HostTensorData);
};

/** See index.ts. */
export const openReference = async (): Promise<Device> => {
  let [liveBuffers, liveBytes, peakBytes, programs, launches] = [0, 0, 0, 0, 0];
  let isOpen = true;
  const check = (): void => {
    if (!isOpen) throw new DeviceError("reference: the device is closed", "open another one");
  };

  const keep = (data: HostTensorData["data"]): HostBuffer => {
    liveBuffers++;
    liveBytes += data.byteLength;
    peakBytes = Math.max(peakBytes, liveBytes);
    return { data, bytes: data.byteLength };
  };
  const drop = (buffer: Buffer) => {
    if ((buffer as HostBuffer).data === undefined) return; // freed before
    (buffer as HostBuffer).data = undefined;
    liveBuffers--;
    liveBytes -= buffer.bytes;
  };
  const dataOf = (buffer: Buffer) => {
    const { data } = buffer as HostBuffer;
    if (data === undefined) throw new DeviceError("reference: this buffer was freed, or is another device's");
    return data;
  };

  const bytes = (ts: Graph["inputs"]) => ts.reduce((n, t) => n + 8 * sizeOf(t.shape), 0);
  /** Nothing is planned here: only what callers own is known. */
  const memoryOf = ({ inputs, outputs }: Graph): Program["memory"] => ({
    ...{ inputs: bytes(inputs), outputs: bytes(outputs), constants: 0, temporaries: 0 },
    peak: bytes([...inputs, ...outputs]),
  });
  const build = (graph: Graph): Program => {
    check();
    programs++;
    let isFree = false;
    const expanded: Graph = { inputs: graph.inputs, outputs: defined(graph.outputs) };
    return {
      memory: memoryOf(graph),
      run: (buffers) => {
        check();
        if (isFree) throw new DeviceError("reference: a freed program was run");
        const inputs = graph.inputs.map((t, i) => ({ data: dataOf(buffers[i]), shape: t.shape, dtype: t.dtype }));
        const results = interpret(expanded, inputs, () => launches++).map(({ data }) => keep(data.slice()));
        for (const i of graph.donated ?? []) drop(buffers[i]);
        return results;
      },
      free: () => {
        isFree = true;
      },
    };
  };

  const self: Device = {
    name: "reference",
    isOpen: () => isOpen,
    description: "reference (f64, interprets definitions)",
    bits: "portable",
    upload: (data, shape, dtype) => {
      check();
      const copy = hostArray(dtype, sizeOf(shape));
      copy.set(numbersOf(data, dtype));
      return keep(copy);
    },
    read: async (buffer, _, dtype) => {
      check();
      const data = dataOf(buffer);
      return isHalf(dtype) ? Uint16Array.from(data, (x) => floatToHalf(x, dtype)) : data.slice();
    },
    free: drop,
    plan: (graph) => {
      check();
      const owned = [...graph.inputs, ...graph.outputs];
      const largest = owned.reduce(
        (most, t) => (bytes([t]) > most.bytes ? { bytes: bytes([t]), of: typeOf(t) } : most),
        { bytes: 0, of: "nothing" },
      );
      return { memory: memoryOf(graph), launches: reachable(defined(graph.outputs)).length, largest };
    },
    build,
    stats: () => ({
      liveBuffers,
      liveBytes,
      keptBytes: liveBytes,
      peakBytes,
      programs,
      kernels: 0,
      launches,
      bindings: 0,
    }),
    close: async () => {
      if (isOpen) tellForgotten(self);
      isOpen = false;
    },
  };
  return self;
};
