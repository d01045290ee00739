import assert from "node:assert/strict";
import * as t from "../../../core/index.js";
import { cutting } from "../../../kernels/plan/finals.js";
import type { Abilities, Instruction, Plan, Step, View } from "../../../kernels/plan/steps.js";

/** What a step reads and writes. */
export const viewsOf = (step: Step): { reads: readonly View[]; writes: readonly View[] } => {
  if (step.kind === "batch") {
    const parts = step.steps.map(viewsOf);
    return { reads: parts.flatMap(({ reads }) => reads), writes: parts.flatMap(({ writes }) => writes) };
  }
  if (step.kind === "matmul")
    return { reads: [step.a, step.b, ...(step.epilogue?.inputs ?? [])], writes: [step.output] };
  return { reads: step.inputs, writes: step.kind === "map" ? step.outputs.map(({ view }) => view) : [step.output] };
};

const offsetsOf = ({ shape, strides, offset }: View): number[] =>
  shape.reduce(
    (at, n, axis) => at.flatMap((o) => Array.from({ length: n }, (_, i) => o + i * strides[axis])),
    [offset],
  );

/** Bytes of memory by twos: what one 16-bit number takes. */
const CELL = 2;

const isContiguous = (view: View): boolean => {
  const dense = t.stridesOf(view.shape);
  return t.sizeOf(view.shape) === 0 || view.shape.every((n, i) => n === 1 || view.strides[i] === dense[i]);
};

/** The promises of steps.ts, checked by walking the steps: who owns which element of which memory when. */
export const assertSound = (
  { buffers, slots, steps, outputs }: Plan,
  { maxBuffers, inPlace, batches, epilogue }: Abilities,
  donated: readonly number[] = [],
): void => {
  assert.equal(new Set(outputs).size, outputs.length, "outputs are distinct");
  outputs.forEach((buffer, i) => {
    const { role } = buffers[buffer];
    assert.ok(role.kind === "output" && role.index === i);
  });
  const donors = buffers.flatMap(({ role }) =>
    role.kind === "output" && role.donor !== undefined ? [role.donor] : [],
  );
  assert.equal(new Set(donors).size, donors.length, "a donated input becomes one output");
  assert.ok(donors.every((donor) => donated.includes(donor)));
  /** The piece of memory that a buffer lies in, and where in it. */
  const placeOf = (buffer: number): { readonly name: string; readonly from: number; readonly bytes: number } => {
    const { role, bytes } = buffers[buffer];
    if (role.kind === "temporary")
      return { name: `slot ${role.slot}`, from: role.offset / CELL, bytes: slots[role.slot] };
    if (role.kind === "guest") {
      const host = buffers[role.host].role;
      assert.ok(
        host.kind === "output" || (host.kind === "input" && donated.includes(host.index)),
        "hosts may be written",
      );
      return { ...placeOf(role.host), from: role.offset / CELL };
    }
    if (role.kind === "output" && role.donor !== undefined) {
      const given = buffers.findIndex(({ role: of }) => of.kind === "input" && of.index === role.donor);
      assert.equal(buffers[given].bytes, bytes, "an output is as large as its donor");
      return { name: `input ${role.donor}`, from: 0, bytes };
    }
    return { name: role.kind === "input" ? `input ${role.index}` : `${role.kind} ${buffer}`, from: 0, bytes };
  };
  // Of each piece of memory: which buffer wrote each cell last; what is given is there.
  const memory = new Map<string, (number | undefined)[]>();
  buffers.forEach(({ role, bytes }, buffer) => {
    const { name, from, bytes: size } = placeOf(buffer);
    assert.ok(
      from >= 0 && (CELL * from) % 256 === 0 && CELL * from + bytes <= size,
      "temporaries lie inside, where a binding may begin",
    );
    if (role.kind === "input" || role.kind === "constant")
      memory.set(
        name,
        Array.from({ length: bytes / CELL }, () => buffer),
      );
    else if (!memory.has(name)) memory.set(name, []);
  });
  const cells = (buffer: number) => memory.get(placeOf(buffer).name) as (number | undefined)[];
  const widthOf = (buffer: number) => t.bytesOf(buffers[buffer].dtype) / CELL;
  /** The cells that a view touches. */
  const cellsOf = (view: View): number[] => {
    const width = widthOf(view.buffer);
    const { from } = placeOf(view.buffer);
    return offsetsOf(view).flatMap((at) => Array.from({ length: width }, (_, i) => from + at * width + i));
  };
  const checkInside = (view: View) => {
    const places = offsetsOf(view).map((at) => at * t.bytesOf(buffers[view.buffer].dtype));
    assert.ok(view.strides.every((stride) => stride >= 0));
    assert.ok(
      places.every((at) => at >= 0 && at < buffers[view.buffer].bytes),
      "views stay inside their buffer",
    );
  };
  const checkBody = (body: readonly Instruction[], inputs: readonly View[], rank: number) =>
    body.forEach((x, i) => {
      if (x.op === "load") assert.ok(x.input < inputs.length);
      else if (x.op === "iota") assert.equal(x.strides.length, rank);
      else if (x.op !== "constant")
        assert.ok(
          x.args.every((arg) => arg < i),
          "arguments come first",
        );
    });

  /** One step, or one of a batch; `others` are what the rest of the batch reads. */
  const checkStep = (step: Exclude<Step, { kind: "batch" }>, others: readonly View[]) => {
    const { reads, writes } = viewsOf(step);
    const changed = step.kind === "call" && ["writeRows", "addRows"].includes(step.name) ? [step.inputs[0]] : [];
    const elementwise = new Set(
      step.kind === "map" ? step.inputs : step.kind === "matmul" ? step.epilogue?.inputs : changed,
    );
    for (const view of writes) {
      for (const read of reads)
        if (cells(read.buffer) === cells(view.buffer)) {
          assert.ok(
            inPlace && elementwise.has(read),
            "only a map, an epilogue or a call that changes its first input, if the device can, writes what it reads",
          );
          assert.deepEqual(cellsOf(read), cellsOf(view), "in place, an index touches its own elements only");
        }
      assert.ok(
        !others.some((read) => cells(read.buffer) === cells(view.buffer)),
        "no step of a batch writes what another reads",
      );
    }
    const shape =
      step.kind === "reduce" ? [...step.kept, ...step.reduced] : step.kind === "map" ? step.shape : undefined;
    if (step.kind === "map" || step.kind === "reduce") {
      for (const view of step.inputs) assert.deepEqual(view.shape, shape);
      checkBody(step.body, step.inputs, shape?.length ?? 0);
      assert.ok(new Set([...reads, ...writes].map(({ buffer }) => buffer)).size <= maxBuffers, "few enough buffers");
    }
    if (step.kind === "matmul" && step.epilogue !== undefined) {
      const { shape: of, inputs, body, value } = step.epilogue;
      assert.ok(epilogue === true && t.sizeOf(of) === t.sizeOf(step.output.shape));
      for (const view of inputs) assert.deepEqual(view.shape, of);
      checkBody(body, [step.output, ...inputs], of.length);
      assert.equal(body[value].dtype, "f32");
      assert.ok(new Set([...reads, ...writes].map(({ buffer }) => buffer)).size <= maxBuffers, "few enough buffers");
    }
    if (step.kind === "map") for (const { view } of step.outputs) assert.deepEqual(view.shape, shape);
    else assert.ok(writes.every(isContiguous));
    for (const view of writes)
      if (t.isHalf(buffers[view.buffer].dtype))
        assert.ok(step.kind === "map" && isContiguous(view) && view.offset === 0, "16 bits are written whole, by maps");
    if (step.kind === "call") assert.ok(reads.every(isContiguous), "calls read contiguous views");
  };

  for (const step of steps) {
    const { reads, writes } = viewsOf(step);
    for (const view of reads) {
      const owners = cells(view.buffer);
      checkInside(view);
      for (const at of cellsOf(view)) assert.equal(owners[at], view.buffer, "reads what its buffer wrote");
    }
    if (step.kind !== "batch") checkStep(step, []);
    else {
      assert.ok(batches && step.steps.length > 1, "batches only where they pay");
      for (const one of step.steps)
        checkStep(
          one,
          step.steps.flatMap((other) => (other === one ? [] : viewsOf(other).reads)),
        );
    }
    const touched = new Map<unknown, Set<number>>();
    for (const view of writes) {
      const owners = cells(view.buffer);
      assert.ok(
        !["input", "constant"].includes(buffers[view.buffer].role.kind),
        "what is given is never written as such",
      );
      checkInside(view);
      for (const at of cellsOf(view)) {
        assert.ok(!touched.get(owners)?.has(at), "outputs of a step do not overlap");
        touched.set(owners, (touched.get(owners) ?? new Set()).add(at));
        owners[at] = view.buffer;
      }
    }
  }
  for (const buffer of outputs) {
    const owners = cells(buffer);
    const { role } = buffers[buffer];
    const given = buffers.findIndex(
      ({ role: of }) => of.kind === "input" && of.index === (role as { donor?: number }).donor,
    );
    const size = buffers[buffer].bytes / CELL - (widthOf(buffer) === 1 ? 1 : 0); // the last word may be half
    const whole = (by: number) => Array.from({ length: size }, (_, at) => owners[at] === by).every(Boolean);
    assert.ok(whole(buffer) || (given >= 0 && whole(given)), "outputs are written whole, or left as they were donated");
  }
};

/** No step touches an output after the place where it is told of, under whatever name; and each is told of once. */
export const assertFinal = (plan: Plan): void => {
  const { buffers, steps, outputs } = plan;
  const input = (index: number): number =>
    buffers.findIndex(({ role }) => role.kind === "input" && role.index === index);
  const rootOf = (buffer: number): number => {
    const { role } = buffers[buffer];
    if (role.kind === "guest") return rootOf(role.host);
    return role.kind === "output" && role.donor !== undefined ? input(role.donor) : buffer;
  };
  const told = cutting(plan)(1);
  for (const { steps: done, outputs: final } of told) {
    const roots = new Set(final.map((i) => rootOf(outputs[i])));
    for (const step of steps.slice(done))
      for (const { buffer } of [...viewsOf(step).reads, ...viewsOf(step).writes])
        assert.ok(!roots.has(rootOf(buffer)), `${buffers[buffer].of} is touched after step ${done}`);
  }
  const all = told.flatMap(({ outputs: final }) => final);
  assert.equal(new Set(all).size, all.length);
};
