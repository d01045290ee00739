import { debugs } from "../../core/debug.js";
import {
  BYTES,
  constantData,
  DeviceError,
  type Graph,
  type HostData,
  type ProgramMemory,
  sizeOf,
  type Tensor,
  typeOf,
} from "../../core/index.js";
import { type BaseStep, type BaseView, type Lowered, lower } from "./lower.js";
import { assignSlots } from "./memory.js";
import { printPlan } from "./print.js";
import { schedule } from "./schedule.js";
import { simplify } from "./simplify.js";
import type { Abilities, Plan, PlanBuffer, Step, View } from "./steps.js";

/** Dependencies: readers wait for every writer of a base, later writers of a base for earlier ones. */
const ordered = (lowered: readonly Lowered[]): Lowered[] => {
  const writers = new Map<Tensor, number[]>();
  const tasks = lowered.map((value, i) => {
    const needs: number[] = [];
    for (const base of value.writes) {
      const earlier = writers.get(base);
      if (earlier === undefined) writers.set(base, [i]);
      else {
        needs.push(earlier[earlier.length - 1]);
        earlier.push(i);
      }
    }
    return { value, key: value.key, needs };
  });
  for (const { value, needs } of tasks)
    for (const base of value.reads) for (const writer of writers.get(base) ?? []) needs.push(writer);
  return schedule(tasks);
};

/** Replaces bases by buffer indices. */
const bind = (step: BaseStep, bufferOf: (base: Tensor) => number): Step => {
  const view = ({ base, view: seen }: BaseView): View => ({ buffer: bufferOf(base), ...seen });
  switch (step.kind) {
    case "map":
      return {
        ...step,
        inputs: step.inputs.map(view),
        outputs: step.outputs.map((out) => ({ ...out, view: view(out.view) })),
      };
    case "matmul":
      return { ...step, a: view(step.a), b: view(step.b), output: view(step.output) };
    default:
      return { ...step, inputs: step.inputs.map(view), output: view(step.output) };
  }
};

/** Numbers of a base that no step writes: a constant, or something empty. */
const numbersOf = (base: Tensor): HostData => {
  if (base.op.name === "constant") return constantData(base).data;
  if (sizeOf(base.shape) > 0) throw new DeviceError(`plan: nothing computes ${base.op.name} ${typeOf(base)}`);
  return new Float32Array(0);
};

/** A graph as steps over buffers: pure, a function of the graph's structure and the device's abilities. */
export const plan = (graph: Graph, abilities: Abilities): Plan => {
  const outputs = simplify(graph.outputs, (op) => abilities.fused.has(op.name));
  const { steps: lowered, results } = lower(outputs, abilities.maxBuffers);
  const steps = ordered(lowered);

  const lifetime = new Map<Tensor, { from: number; to: number }>();
  steps.forEach(({ reads, writes }, at) => {
    for (const base of writes) if (!lifetime.has(base)) lifetime.set(base, { from: at, to: at });
    for (const base of [...reads, ...writes]) {
      const life = lifetime.get(base);
      if (life !== undefined) life.to = at;
    }
  });
  const bytesOf = (t: Tensor) => BYTES * sizeOf(t.shape);
  const isResult = new Set(results);
  const temporaries = [...lifetime.keys()].filter((base) => !isResult.has(base));
  const slots = assignSlots(
    temporaries.map((base) => ({ bytes: bytesOf(base), ...(lifetime.get(base) as { from: number; to: number }) })),
  );

  const buffers: PlanBuffer[] = [];
  const index = new Map<Tensor, number>();
  const add = (base: Tensor, role: PlanBuffer["role"]) => {
    index.set(base, buffers.push({ role, bytes: bytesOf(base) }) - 1);
  };
  for (const [i, t] of graph.inputs.entries()) add(t, { kind: "input", index: i });
  for (const [i, t] of results.entries()) add(t, { kind: "output", index: i });
  for (const [i, t] of temporaries.entries()) add(t, { kind: "temporary", slot: slots.slotOf[i] });
  for (const { reads } of steps)
    for (const base of reads)
      if (!index.has(base)) add(base, { kind: "constant", data: numbersOf(base), dtype: base.dtype });

  const made: Plan = {
    buffers,
    slots: slots.bytes,
    steps: steps.map(({ step }) => bind(step, (base) => index.get(base) as number)),
    outputs: results.map((t) => index.get(t) as number),
  };
  if (debugs("plan")) console.error(printPlan(made));
  return made;
};

/** Bytes by role: what Program.memory reports. */
export const memoryOf = ({ buffers, slots }: Plan): ProgramMemory => {
  const total = (kind: PlanBuffer["role"]["kind"]) =>
    buffers.reduce((n, buffer) => n + (buffer.role.kind === kind ? buffer.bytes : 0), 0);
  return {
    inputs: total("input"),
    outputs: total("output"),
    constants: total("constant"),
    temporaries: slots.reduce((n, bytes) => n + bytes, 0),
  };
};
