import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Access, type Builder, builder, type Kernel } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { type Rowed, rowParts } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";

/** A head's vector of D numbers in registers: vec4s named `<name>0`, `<name>1`, … the last one filled up with zeros. */
export const headVector = (depth: number) => {
  const quads = Array.from({ length: Math.ceil(depth / 4) }, (_, i) => i);
  const parts = (i: number) => [0, 1, 2, 3].filter((c) => 4 * i + c < depth);
  return {
    quads,
    load: (name: string, access: Access, base: string): string[] =>
      quads.map((i) => {
        const texts = [0, 1, 2, 3].map((c) => (4 * i + c < depth ? access.load(`${base} + ${4 * i + c}u`) : "0.0"));
        return `let ${name}${i} = vec4<f32>(${texts.join(", ")});`;
      }),
    zero: (name: string): string[] => quads.map((i) => `var ${name}${i} = vec4<f32>();`),
    dot: (a: string, b: string): string => quads.map((i) => `dot(${a}${i}, ${b}${i})`).join(" + "),
    scale: (name: string, by: string): string[] => quads.map((i) => `${name}${i} *= ${by};`),
    addScaled: (name: string, by: string, of: string): string[] =>
      quads.map((i) => `${name}${i} += ${by} * ${of}${i};`),
    store: (access: Access, base: string, name: string, by = ""): string[] =>
      quads.flatMap((i) =>
        parts(i).map((c) => access.store(`${base} + ${4 * i + c}u`, `${name}${i}.${"xyzw"[c]}${by}`)),
      ),
  };
};

/** Sizes of an attention call. */
export const attentionSizes = (q: View, k: View) => {
  const [batch, time, heads, depth] = q.shape;
  const [, slots, groups] = k.shape;
  return { batch, time, heads, depth, slots, groups };
};

/** A view cut by its first axis, sequences that do not see one another; and the shape that some of them have. */
export const ofSequence = (view: View, dtype: DType, isWritten = false): Rowed => ({
  ...{ view, along: sizeOf(view.shape.slice(1)) },
  ...{ dtype, isWritten },
});
export const ofSequences = (part: View, shape: readonly number[]): View => ({
  ...part,
  shape: [part.shape[0], ...shape.slice(1)],
});

/**
 * Lines for one invocation a query: defines b, h, t, queryBase (of q, and of whatever is shaped like it), keyBase and
 * keyStep (of k and v, from slot to slot), and `visible`, the number of slots that may be seen.
 */
export const queryLines = (k: Builder, sizes: ReturnType<typeof attentionSizes>, position: View): string[] => {
  const { batch, time, heads, depth, slots, groups } = sizes;
  const [T, H, S, G] = [time, heads, slots, groups].map((n) => k.param(n));
  const at = k.buffer(position.buffer, "i32", "read").load(`${k.param(position.offset)} + b * ${T} + t`);
  return [
    "let item = group * 64u + lane;",
    `if (item >= ${k.param(batch * heads * time)}) { return; }`,
    `let t = item % ${T};`,
    `let h = item / ${T} % ${H};`,
    `let b = item / ${T} / ${H};`,
    `let queryBase = ((b * ${T} + t) * ${H} + h) * ${depth}u;`,
    `let keyBase = (b * ${S} * ${G} + h / (${H} / ${G})) * ${depth}u;`,
    `let keyStep = ${G} * ${depth}u;`,
    `let visible = u32(clamp(${at} + 1, 0, i32(${S})));`,
  ];
};

/**
 * One invocation a query; goes over the visible keys once, keeping the running maximum, sum and weighted values in
 * registers (online softmax: Milakov & Gimelshein 2018), so that no score is ever stored.
 * Tolerance: one rounding a visible key, of weighted values that are all at most the largest |v|.
 */
export const attentionKernels = (step: CallStep, { windows }: Lowering): Kernel[] => {
  const { inputs, output } = step;
  if (sizeOf(output.shape) === 0) return [];
  const over = [...inputs.map((view, i) => ofSequence(view, step.dtypes[i])), ofSequence(output, "f32", true)];
  return rowParts("attention", output.shape[0], over, windows).map(({ views }) => {
    const parts = [...inputs, output].map((view, i) => ofSequences(views[i], view.shape));
    return attentionKernel({ ...step, inputs: parts.slice(0, -1), output: parts[parts.length - 1] });
  });
};

const attentionKernel = ({ inputs, dtypes, attrs, output }: CallStep): Kernel => {
  const [q, keys, values, position] = inputs;
  const sizes = attentionSizes(q, keys);
  const k = builder("attention");
  const [readQ, readK, readV] = [q, keys, values].map((view, i) => k.buffer(view.buffer, dtypes[i], "read"));
  const out = k.buffer(output.buffer, "f32", "write");
  const head = headVector(sizes.depth);
  const exp = k.helper("exp_f");
  const items = sizes.batch * sizes.heads * sizes.time;
  const body = [
    ...queryLines(k, sizes, position),
    ...head.load("q", readQ, `${k.param(q.offset)} + queryBase`),
    ...head.zero("o"),
    "var top = -1e30;",
    "var sum = 0.0;",
    "for (var s = 0u; s < visible; s++) {",
    `  let keyAt = ${k.param(keys.offset)} + keyBase + s * keyStep;`,
    `  let valueAt = ${k.param(values.offset)} + keyBase + s * keyStep;`,
    ...head.load("k", readK, "keyAt").map((line) => `  ${line}`),
    `  let score = (${head.dot("q", "k")}) * ${k.floatParam(attrs.scale as number)};`,
    "  if (score > top) {",
    `    let fade = ${exp}(top - score);`,
    "    sum *= fade;",
    ...head.scale("o", "fade").map((line) => `    ${line}`),
    "    top = score;",
    "  }",
    `  let weight = ${exp}(score - top);`,
    "  sum += weight;",
    ...head.load("v", readV, "valueAt").map((line) => `  ${line}`),
    ...head.addScaled("o", "weight", "v").map((line) => `  ${line}`),
    "}",
    `let outAt = ${k.param(output.offset)} + queryBase;`,
    ...head.store(out, "outAt", "o", " / sum"),
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(items / 64), body: indent(body) });
};
