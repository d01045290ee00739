import assert from "node:assert/strict";
import * as t from "../core/index.js";
import type { Abilities, Instruction, Plan, Step, View } from "../kernels/plan/steps.js";

const viewsOf = (step: Step): { reads: readonly View[]; writes: readonly View[] } => {
  if (step.kind === "matmul") return { reads: [step.a, step.b], writes: [step.output] };
  return { reads: step.inputs, writes: step.kind === "map" ? step.outputs.map(({ view }) => view) : [step.output] };
};

const offsetsOf = ({ shape, strides, offset }: View): number[] =>
  shape.reduce(
    (at, n, axis) => at.flatMap((o) => Array.from({ length: n }, (_, i) => o + i * strides[axis])),
    [offset],
  );

const isContiguous = (view: View): boolean => {
  const dense = t.stridesOf(view.shape);
  return t.sizeOf(view.shape) === 0 || view.shape.every((n, i) => n === 1 || view.strides[i] === dense[i]);
};

/** The promises of steps.ts, checked by walking the steps: who owns which element of which slot when. */
export const assertSound = ({ buffers, slots, steps, outputs }: Plan, { maxBuffers }: Abilities): void => {
  assert.equal(new Set(outputs).size, outputs.length, "outputs are distinct");
  outputs.forEach((buffer, i) => {
    assert.deepEqual(buffers[buffer].role, { kind: "output", index: i });
  });
  // Per slot or output: which buffer wrote each element last.
  const memory = new Map<string, (number | undefined)[]>();
  const cells = (buffer: number): (number | undefined)[] | undefined => {
    const { role } = buffers[buffer];
    if (role.kind === "input" || role.kind === "constant") return undefined;
    const name = role.kind === "temporary" ? `slot ${role.slot}` : `output ${role.index}`;
    if (role.kind === "temporary") assert.ok(slots[role.slot] >= buffers[buffer].bytes, "the slot is large enough");
    if (!memory.has(name)) memory.set(name, []);
    return memory.get(name);
  };
  const inside = (view: View) => {
    const places = offsetsOf(view);
    assert.ok(view.strides.every((stride) => stride >= 0));
    assert.ok(
      places.every((at) => at >= 0 && 4 * at < buffers[view.buffer].bytes),
      "views stay inside their buffer",
    );
    return places;
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

  for (const step of steps) {
    const { reads, writes } = viewsOf(step);
    for (const view of reads) {
      const owners = cells(view.buffer);
      for (const at of inside(view)) assert.ok(!owners || owners[at] === view.buffer, "reads what its buffer wrote");
    }
    const touched = new Set<string>();
    for (const view of writes) {
      const owners = cells(view.buffer);
      assert.ok(owners !== undefined, "inputs and constants are never written");
      for (const at of inside(view)) {
        const place = `${owners === undefined ? "" : view.buffer} ${at}`;
        assert.ok(!touched.has(place), "outputs of a step do not overlap");
        touched.add(place);
        owners[at] = view.buffer;
      }
      for (const read of reads) assert.notEqual(cells(read.buffer), owners, "a step never writes what it reads");
    }
    const shape =
      step.kind === "reduce" ? [...step.kept, ...step.reduced] : step.kind === "map" ? step.shape : undefined;
    if (step.kind === "map" || step.kind === "reduce") {
      for (const view of step.inputs) assert.deepEqual(view.shape, shape);
      checkBody(step.body, step.inputs, shape?.length ?? 0);
      assert.ok(new Set([...reads, ...writes].map(({ buffer }) => buffer)).size <= maxBuffers, "few enough buffers");
    }
    if (step.kind === "map") for (const { view } of step.outputs) assert.deepEqual(view.shape, shape);
    else assert.ok(writes.every(isContiguous));
    if (step.kind === "call") assert.ok(reads.every(isContiguous), "calls read contiguous views");
  }
  for (const buffer of outputs) {
    const owners = cells(buffer) ?? [];
    for (let at = 0; 4 * at < buffers[buffer].bytes; at++)
      assert.equal(owners[at], buffer, "outputs are written whole");
  }
};
