/** Calls in parts. */
import assert from "node:assert/strict";
import * as t from "../../core/index.js";
import { eighths } from "./generators.js";

/** Runs a call in parts: what was told of early has its last numbers then, and is what the result holds. */
export const taken = async <T extends t.Tree>(
  run: Generator<t.Told, T>,
  between: () => void = () => {},
): Promise<{ readonly result: T; readonly early: readonly string[] }> => {
  const told: { readonly path: string; readonly leaf: t.Tensor; readonly seen: Promise<t.HostData> }[] = [];
  let part = run.next();
  for (; part.done !== true; part = run.next()) {
    for (const [path, leaf] of part.value) told.push({ path, leaf, seen: t.read(leaf) });
    between();
  }
  const result = new Map(t.namedLeaves(part.value));
  for (const { path, leaf, seen } of told) {
    assert.equal(result.get(path), leaf, path);
    assert.deepEqual(await seen, await t.read(leaf), `${path}: as it was when it was told of`);
  }
  return { result: part.value, early: told.map(({ path }) => path) };
};

type Layers = readonly t.Tensor[];
const [depth, size] = [4, 8];
const layers = (seed: number): Layers => Array.from({ length: depth }, (_, i) => eighths([size, size], seed + i, 1));

/** The gradient of a product of layers, of which the first one's is added to what is carried: the last layer's comes first. */
const deepGradient = (device: t.Device) => {
  const f = (params: Layers, x: t.Tensor, carry: t.Tensor) => {
    const [first, ...rest] = t.grad((p: Layers) => t.sum(p.reduce((h, w) => t.matmul(h, w), x)))(params);
    return [t.add(first, carry), ...rest];
  };
  return {
    step: t.compile(f, device, { donate: [2], name: "deep" }),
    args: () =>
      t.upload([layers(1), eighths([4, size], 7), eighths([size, size], 9)], device) as [Layers, t.Tensor, t.Tensor],
  };
};

/** A call in parts is the call: told of in parts, among others of its kind, given up half-way, robbed of an argument, or freed on the way. */
export const partsAreTheCall = async (device: t.Device): Promise<void> => {
  const { step, args } = deepGradient(device);
  const before = device.stats().liveBuffers;
  const read = (tree: t.Tree) => Promise.all(t.leaves(tree).map(t.read));
  const [given, again, nested, halfway, robbed, late] = [args(), args(), args(), args(), args(), args()];
  const plain = step(...given);
  const want = await read(plain);
  const others: t.Tree[] = [];
  const { result, early } = await taken(step.inParts(1, ...again), () => {
    if (others.length === 0) others.push(step(...nested));
  });
  assert.deepEqual(await read(result), want);
  assert.throws(() => step.inParts(0, ...late), /deep\.inParts\(0, …\): bytes to be told of/);
  if (device.name !== "reference") {
    assert.ok(early.length === depth - 1 && early[0] === `${depth - 1}`, `${early}`);
    assert.deepEqual(await read(others), want, "one of the same program in between");
    const gone = step.inParts(1, ...robbed);
    const first = gone.next().value as t.Told;
    t.dispose(robbed[1]);
    assert.throws(() => gone.next(), /deep\.inParts\(…\), before its next part: this f32\[4,8\] was disposed of/);
    t.dispose(first.map(([, leaf]) => leaf));
    const run = step.inParts(1, ...halfway);
    const told = run.next().value as t.Told;
    assert.throws(
      () => step(halfway[0], halfway[1], halfway[2]),
      /was donated to deep/,
      "donated from the first part on",
    );
    for (const program of step.programs()) program.free();
    assert.throws(() => step(...late), /freed program/);
    run.return(undefined as never);
    assert.deepEqual(await t.read(told[0][1]), want[depth - 1], "what was told of is there");
    t.dispose(told.map(([, leaf]) => leaf));
  }
  for (const program of step.programs()) program.free();
  t.dispose(given, again, nested, halfway, robbed, late, plain, result, others);
  assert.equal(device.stats().liveBuffers, before);
};
