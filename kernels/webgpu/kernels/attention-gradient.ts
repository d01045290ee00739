import { sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { attentionSizes, headVector, queryLines } from "./attention.js";
import type { Lowering } from "./lowering.js";

const LABEL = "attention.vjp";

/**
 * With p the softmax weights: dp = ct·v, δ = Σ p dp, ds = p (dp - δ), dq = scale Σ ds k.
 * One invocation a query, two walks over its keys: the first finds log Σ e^score and δ (both go to scratch 0 for the other
 * kernel), the second dq.
 */
const queryKernel = ({ inputs, dtypes, attrs, output }: CallStep): Kernel => {
  const [ct, q, keys, values, position] = inputs;
  const sizes = attentionSizes(q, keys);
  const k = builder(`${LABEL}-queries`);
  const [readCt, readQ, readK, readV] = [ct, q, keys, values].map((view, i) =>
    k.buffer(view.buffer, dtypes[i], "read"),
  );
  const out = k.buffer(output.buffer, "f32", "write");
  const notes = k.buffer(scratch(0), "f32", "write");
  const head = headVector(sizes.depth);
  const exp = k.helper("exp_f");
  const scale = k.floatParam(attrs.scale as number);
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
    notes.store("item", "level"),
    notes.store(`${k.param(items)} + item`, "delta"),
    ...head.zero("d"),
    "for (var s = 0u; s < visible; s++) {",
    ...pair.map((line) => `  ${line}`),
    `  let change = ${exp}(score - level) * (slope - delta);`,
    ...head.addScaled("d", "change", "k").map((line) => `  ${line}`),
    "}",
    `let outAt = ${k.param(output.offset)} + queryBase;`,
    ...head.store(out, "outAt", "d", ` * ${scale}`),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(items / 64), body: indent(body) });
};

/** dk = scale Σ ds q, dv = Σ p ct over all queries, of every head that shares it, that see the key. One invocation a key. */
const keyKernel = ({ inputs, dtypes, attrs, output }: CallStep): Kernel => {
  const [ct, q, keys, values, position] = inputs;
  const sizes = attentionSizes(q, keys);
  const { batch, time, heads, depth, slots, groups } = sizes;
  const k = builder(`${LABEL}-keys`);
  const [readCt, readQ, readK, readV] = [ct, q, keys, values].map((view, i) =>
    k.buffer(view.buffer, dtypes[i], "read"),
  );
  const out = k.buffer(output.buffer, "f32", "write");
  const notes = k.buffer(scratch(0), "f32", "read");
  const head = headVector(depth);
  const scale = k.floatParam(attrs.scale as number);
  const [T, H, S, G] = [time, heads, slots, groups].map((n) => k.param(n));
  const at = k.buffer(position.buffer, "i32", "read").load(`${k.param(position.offset)} + b * ${T} + t`);
  const [size, keySize] = [sizeOf(q.shape), sizeOf(keys.shape)];
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
    `    let weight = ${k.helper("exp_f")}(score - ${notes.load("note")});`,
    `    let change = weight * (${head.dot("c", "v")} - ${notes.load(`${k.param(batch * heads * time)} + note`)});`,
    ...head.addScaled("dv", "weight", "c").map((line) => `    ${line}`),
    ...head.addScaled("dk", "change", "q").map((line) => `    ${line}`),
    "  }",
    "}",
    `let outAt = ${k.param(output.offset + size)} + keyBase;`,
    ...head.store(out, "outAt", "dk", ` * ${scale}`),
    ...head.store(out, `outAt + ${k.param(keySize)}`, "dv"),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil((batch * groups * slots) / 64), body: indent(body) });
};

/** Cotangents [dq, dk, dv], joined. Deterministic: each element is summed by one invocation, in order. */
export const attentionGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [, q, keys] = step.inputs;
  const queries = sizeOf(q.shape.slice(0, 3));
  if (sizeOf(step.output.shape) === 0) return [];
  lowering.scratch(0, 2 * queries);
  const isEmpty = (view: View) => sizeOf(view.shape) === 0;
  return [...(isEmpty(q) ? [] : [queryKernel(step)]), ...(isEmpty(keys) ? [] : [keyKernel(step)])];
};
