import {
  byteLength,
  constantData,
  DeviceError,
  type Graph,
  type HostData,
  type ProgramMemory,
  sizeOf,
  type Tensor,
  typeOf,
} from "../../core/index.js";
import type { Access } from "./access/access.js";
import { batched, type Kin, kinship } from "./batch.js";
import { attachEpilogues } from "./epilogue.js";
import { type Lowered, lower } from "./lower.js";
import { mapViews } from "./map-views.js";
import { type Lifetime, placeTemporaries } from "./memory/memory.js";
import { donors, hostsOf, inPlace, type Life, livesOf, type Owned } from "./memory/reuse.js";
import { schedule } from "./memory/schedule.js";
import { roundedOperands } from "./rounded.js";
import { simplify } from "./simplify.js";
import type { Abilities, Plan, PlanBuffer, View } from "./steps.js";

const bytesOf = (t: Tensor): number => byteLength(t.dtype, sizeOf(t.shape));

/** Dependencies: readers wait for every writer of a base, and who writes over what others wrote for these. */
const ordered = (
  lowered: readonly Lowered[],
  { isTemporary, donated }: Owned,
  kin: (step: Lowered) => Kin | undefined,
): Lowered[] => {
  const writers = new Map<Tensor, number[]>();
  const number = new Map<Tensor, number>(); // of what makes room where it ends
  const numbered = (bases: readonly Tensor[]) =>
    [...new Set(bases)].flatMap((base) => {
      if (!isTemporary(base) && !donated.has(base)) return [];
      if (!number.has(base)) number.set(base, number.size);
      return [number.get(base) as number];
    });
  const tasks = lowered.map((value, i) => {
    const needs: number[] = [];
    for (const base of value.writes) {
      const earlier = writers.get(base);
      if (earlier === undefined) writers.set(base, [i]);
      else {
        if (value.isOver) needs.push(...earlier);
        earlier.push(i);
      }
    }
    const [reads, writes] = [value.reads, value.writes].map(numbered);
    const isLast = !value.writes.every(isTemporary);
    const over = isLast ? numbered(value.reads.filter((base) => donated.has(base))) : [];
    return { value, key: value.key, needs, reads, writes, over, kin: kin(value) };
  });
  for (const { value, needs } of tasks)
    for (const base of value.reads) for (const writer of writers.get(base) ?? []) needs.push(writer);
  return schedule(tasks, [...number.keys()].map(bytesOf)).map(batched);
};

/** Numbers of a base that no step writes: a constant, or something empty. */
const numbersOf = (base: Tensor): HostData => {
  if (base.op.name === "constant") return constantData(base).data;
  if (sizeOf(base.shape) > 0) throw new DeviceError(`plan: nothing computes ${base.op.name} ${typeOf(base)}`);
  return new Float32Array(0);
};

/** A graph as steps over buffers: pure, a function of the graph's structure and the device's abilities. */
export const plan = (graph: Graph, abilities: Abilities): Plan => {
  const asked = roundedOperands(graph.outputs, abilities.f16Operands);
  const outputs = simplify(asked, (name) => abilities.fused.has(name), abilities.round ?? Math.fround);
  const donated = new Set((graph.donated ?? []).map((i) => graph.inputs[i]));
  const { steps: separate, results } = lower(outputs, abilities, donated);
  const isResult = new Set(results);
  const isTemporary = (base: Tensor) => base.op.kind !== "leaf" && !isResult.has(base);
  const lowered =
    abilities.epilogue === true ? attachEpilogues(separate, { isTemporary, donated }, abilities.maxBuffers) : separate;
  const steps = ordered(lowered, { isTemporary, donated }, (step) =>
    abilities.batches ? kinship(step, isTemporary, abilities.largeBatches === true) : undefined,
  );

  const lives = livesOf(steps);
  const kept = results.filter((t) => donated.delete(t)); // given back as they came
  const temporaries = [...lives].flatMap(([base, { from }]) => (from < 0 || isResult.has(base) ? [] : [base]));
  const position = new Map(temporaries.map((base, i) => [base, i]));
  // Outputs rather take the memory of inputs, which they are spared by; intermediate values that of their like.
  const candidates = (heir: Tensor, bases: readonly Tensor[]): Tensor[] => {
    const [given, passing] = [donated, position].map((known) => bases.filter((base) => known.has(base)));
    return isResult.has(heir) ? [...given, ...passing] : [...passing, ...given];
  };
  const over = abilities.inPlace
    ? inPlace(steps, lives, candidates, (heir) => isResult.has(heir))
    : new Map<Tensor, Tensor>();
  const donorOf = new Map([...donors([...donated], results, lives, over), ...kept.map((t) => [t, t] as const)]);
  const { hosts, hostOf } = hostsOf(donated, results, donorOf, lives);
  const heirOf = new Map([...over].map(([heir, base]) => [base, heir]));
  const lifetimes = temporaries.map((base): Lifetime => {
    const [taken, heir] = [over.get(base), heirOf.get(base)];
    return {
      bytes: bytesOf(base),
      ...(lives.get(base) as Life),
      over: taken && position.get(taken),
      enters: taken && hostOf.get(taken),
      leaves: heir && hostOf.get(heir),
    };
  });
  const placement = placeTemporaries(lifetimes, {
    hosts: hosts.map(({ base, after, before }) => ({ bytes: bytesOf(base), after, before })),
    steps: steps.map(({ reads, writes }) => {
      const [read, written] = [reads, writes].map((bases) => bases.flatMap((base) => position.get(base) ?? []));
      return { reads: read, writes: written };
    }),
    slotBytes: abilities.slotBytes,
    padding: abilities.padding,
  });

  const buffers: PlanBuffer[] = [];
  const index = new Map<Tensor, number>();
  const add = (base: Tensor, role: PlanBuffer["role"]): number => {
    const at =
      buffers.push({ role, bytes: bytesOf(base), dtype: base.dtype, of: `${base.op.name} ${typeOf(base)}` }) - 1;
    if (!index.has(base)) index.set(base, at);
    return at;
  };
  for (const [i, t] of graph.inputs.entries()) add(t, { kind: "input", index: i });
  const places = results.map((t, i) => {
    const donor = donorOf.get(t);
    return add(t, { kind: "output", index: i, ...(donor === undefined ? {} : { donor: index.get(donor) as number }) });
  });
  for (const [i, t] of temporaries.entries()) {
    const { kind, index: at, offset } = placement.places[i];
    if (kind === "slot") add(t, { kind: "temporary", slot: at, offset });
    else add(t, { kind: "guest", host: index.get(hosts[at].base) as number, offset });
  }
  for (const { reads } of steps)
    for (const base of reads) if (!index.has(base)) add(base, { kind: "constant", data: numbersOf(base) });

  const bound = ({ base, view }: Access): View => ({ buffer: index.get(base) as number, ...view });
  const made: Plan = {
    buffers,
    slots: placement.slots,
    steps: steps.map(({ step }) => mapViews(step, bound)),
    outputs: places,
  };
  abilities.tell?.(made, memoryOf(made));
  return made;
};

/** Bytes by role: what Program.memory reports. */
export const memoryOf = ({ buffers, slots }: Plan): ProgramMemory => {
  const total = (kind: PlanBuffer["role"]["kind"]) =>
    buffers.reduce((n, buffer) => n + (buffer.role.kind === kind ? buffer.bytes : 0), 0);
  const [inputs, outputs, constants] = [total("input"), total("output"), total("constant")];
  const temporaries = slots.reduce((n, bytes) => n + bytes, 0);
  const handedOn = buffers.reduce(
    (n, { role, bytes }) => (role.kind === "output" && role.donor !== undefined ? n + bytes : n),
    0,
  );
  return { inputs, outputs, constants, temporaries, peak: inputs + outputs + constants + temporaries - handedOn };
};

/** The largest buffer, and what it holds. */
export const largestOf = ({ buffers }: Plan): { readonly bytes: number; readonly of: string } =>
  buffers.reduce((most, { bytes, of }) => (bytes > most.bytes ? { bytes, of } : most), { bytes: 0, of: "nothing" });

/** Places of the donated inputs whose memory becomes an output's. */
export const donorsOf = ({ buffers }: Plan): ReadonlySet<number> =>
  new Set(buffers.flatMap(({ role }) => (role.kind === "output" && role.donor !== undefined ? [role.donor] : [])));
