import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { rowParts } from "../windows/rows.js";
import { attentionSizes, headVector, ofSequence, ofSequences, queryLines } from "./attention.js";
import type { Lowering } from "./lowering.js";

const LABEL = "attention.vjp";

/** Some sequences of the call, as both kernels see them. */
interface Part {
  readonly inputs: readonly View[];
  readonly dtypes: readonly DType[];
  readonly scale: number;
  readonly dq: View;
  readonly dk: View;
  readonly dv: View;
  /** Of each query, what the second kernel needs: [2, queries]. */
  readonly notes: View;
}

/**
 * With p the softmax weights: dp = ct·v, δ = Σ p dp, ds = p (dp - δ), dq = scale Σ ds k.
 * One invocation a query, two walks over its keys: the first finds log Σ e^score and δ (both go to `notes` for the other
 * kernel), the second dq.
 */
const queryKernel = ({ inputs, dtypes, scale: factor, notes: noted, dq }: Part): Kernel => {
  const [ct, q, keys, values, position] = inputs;
  const sizes = attentionSizes(q, keys);
  const k = builder(`${LABEL}-queries`);
  const [readCt, readQ, readK, readV] = [ct, q, keys, values].map((view, i) =>
    k.buffer(view.buffer, dtypes[i], "read"),
  );
  const out = k.buffer(dq.buffer, "f32", "write");
  const notes = k.buffer(noted.buffer, "f32", "write");
  const head = headVector(sizes.depth);
  const exp = k.helper("exp_f");
  const scale = k.floatParam(factor);
  const items = sizes.batch * sizes.heads * sizes.time;
  const [keyOffset, valueOffset] = [k.param(keys.offset), k.param(values.offset)];
  const pair = [
    ...head.load("k", readK, `${keyOffset} + keyBase + s * keyStep`),
    ...head.load("v", readV, `${valueOffset} + keyBase + s * keyStep`),
    `let score = (${head.dot("q", "k")}) * ${scale};`,
    `let slope = ${head.dot("g", "v")};`,
  ];
  const body = [
    ...queryLines(k, sizes, position),
    ...head.load("q", readQ, `${k.param(q.offset)} + queryBase`),
    ...head.load("g", readCt, `${k.param(ct.offset)} + queryBase`),
    "var top = -1e30;",
    "var sum = 0.0;",
    "var delta = 0.0;",
    "for (var s = 0u; s < visible; s++) {",
    ...pair.map((line) => `  ${line}`),
    "  if (score > top) {",
    `    let fade = ${exp}(top - score);`,
    "    sum *= fade;",
    "    delta *= fade;",
    "    top = score;",
    "  }",
    `  let weight = ${exp}(score - top);`,
    "  sum += weight;",
    "  delta += weight * slope;",
    "}",
    "delta = delta / sum;",
    `let level = top + ${k.helper("log_f")}(sum);`,
    notes.store(`${k.param(noted.offset)} + item`, "level"),
    notes.store(`${k.param(noted.offset + items)} + item`, "delta"),
    ...head.zero("d"),
    "for (var s = 0u; s < visible; s++) {",
    ...pair.map((line) => `  ${line}`),
    `  let change = ${exp}(score - level) * (slope - delta);`,
    ...head.addScaled("d", "change", "k").map((line) => `  ${line}`),
    "}",
    `let outAt = ${k.param(dq.offset)} + queryBase;`,
    ...head.store(out, "outAt", "d", ` * ${scale}`),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(items / 64), body: indent(body) });
};

/** dk = scale Σ ds q, dv = Σ p ct over all queries, of every head that shares it, that see the key. One invocation a key. */
const keyKernel = ({ inputs, dtypes, scale: factor, notes: noted, dk, dv }: Part): Kernel => {
  const [ct, q, keys, values, position] = inputs;
  const sizes = attentionSizes(q, keys);
  const { batch, time, heads, depth, slots, groups } = sizes;
  const k = builder(`${LABEL}-keys`);
  const [readCt, readQ, readK, readV] = [ct, q, keys, values].map((view, i) =>
    k.buffer(view.buffer, dtypes[i], "read"),
  );
  const [outK, outV] = [dk, dv].map((view) => k.buffer(view.buffer, "f32", "write"));
  const notes = k.buffer(noted.buffer, "f32", "read");
  const head = headVector(depth);
  const scale = k.floatParam(factor);
  const [T, H, S, G] = [time, heads, slots, groups].map((n) => k.param(n));
  const at = k.buffer(position.buffer, "i32", "read").load(`${k.param(position.offset)} + b * ${T} + t`);
  const [levels, deltas] = [k.param(noted.offset), k.param(noted.offset + batch * heads * time)];
  const body = [
    "let item = group * 64u + lane;",
    `if (item >= ${k.param(batch * groups * slots)}) { return; }`,
    `let s = item % ${S};`,
    `let g = item / ${S} % ${G};`,
    `let b = item / ${S} / ${G};`,
    `let keyBase = ((b * ${S} + s) * ${G} + g) * ${depth}u;`,
    ...head.load("k", readK, `${k.param(keys.offset)} + keyBase`),
    ...head.load("v", readV, `${k.param(values.offset)} + keyBase`),
    ...head.zero("dk"),
    ...head.zero("dv"),
    `for (var t = 0u; t < ${T}; t++) {`,
    `  if (${at} < i32(s)) { continue; }`,
    `  for (var h = g * (${H} / ${G}); h < (g + 1u) * (${H} / ${G}); h++) {`,
    `    let queryBase = ((b * ${T} + t) * ${H} + h) * ${depth}u;`,
    `    let note = (b * ${H} + h) * ${T} + t;`,
    ...head.load("q", readQ, `${k.param(q.offset)} + queryBase`).map((line) => `    ${line}`),
    ...head.load("c", readCt, `${k.param(ct.offset)} + queryBase`).map((line) => `    ${line}`),
    `    let score = (${head.dot("q", "k")}) * ${scale};`,
    `    let weight = ${k.helper("exp_f")}(score - ${notes.load(`${levels} + note`)});`,
    `    let change = weight * (${head.dot("c", "v")} - ${notes.load(`${deltas} + note`)});`,
    ...head.addScaled("dv", "weight", "c").map((line) => `    ${line}`),
    ...head.addScaled("dk", "change", "q").map((line) => `    ${line}`),
    "  }",
    "}",
    ...head.store(outK, `${k.param(dk.offset)} + keyBase`, "dk", ` * ${scale}`),
    ...head.store(outV, `${k.param(dv.offset)} + keyBase`, "dv"),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil((batch * groups * slots) / 64), body: indent(body) });
};

/** Cotangents [dq, dk, dv], joined. Deterministic: each element is summed by one invocation, in order. */
export const attentionGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const { inputs, output } = step;
  const [, q, keys] = inputs;
  const queries = sizeOf(q.shape.slice(0, 3));
  if (sizeOf(output.shape) === 0) return [];
  lowering.scratch(0, 2 * queries);
  const [size, keySize] = [sizeOf(q.shape), sizeOf(keys.shape)];
  const dq = { ...q, buffer: output.buffer, offset: output.offset };
  const dk = { ...keys, buffer: output.buffer, offset: output.offset + size };
  const dv = { ...dk, offset: output.offset + size + keySize };
  const [batch, ...perSequence] = q.shape.slice(0, 3);
  const notes: View = { buffer: scratch(0), shape: [batch, 2 * sizeOf(perSequence)], strides: [], offset: 0 };
  const written = [dq, dk, dv, notes];
  const over = [
    ...inputs.map((view, i) => ofSequence(view, step.dtypes[i])),
    ...written.map((view) => ofSequence(view, "f32", true)),
  ];
  return rowParts(LABEL, batch, over, lowering.windows).flatMap(({ views }) => {
    const shown = [...inputs, ...written].map((view, i) => ofSequences(views[i], view.shape));
    const [partQ, partK, partV, partNotes] = shown.slice(inputs.length);
    const part: Part = {
      ...{ inputs: shown.slice(0, inputs.length), dtypes: step.dtypes, scale: step.attrs.scale as number },
      ...{ dq: partQ, dk: partK, dv: partV, notes: partNotes },
    };
    return [...(size === 0 ? [] : [queryKernel(part)]), ...(keySize === 0 ? [] : [keyKernel(part)])];
  });
};
