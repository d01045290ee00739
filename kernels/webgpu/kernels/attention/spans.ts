import type { View } from "../../../plan/steps.js";
import { type Builder, builder, type Kernel } from "../../wgsl/module.js";
import { indent, indented } from "../../wgsl/walk.js";
import { fours, type Sizes } from "./operands.js";
import { declareWeights } from "./rows.js";

/**
 * Slots of a span: a query's scores are summed up span by span, and what these come to is joined in order. So it is the same bits
 * whether a workgroup goes over all of them or each has one.
 */
export const SPAN = 1024;

export const spansOf = ({ slots }: Sizes): number => Math.max(1, Math.ceil(slots / SPAN));

/** What spans come to that have workgroups of their own, for each sequence. */
export interface Apart {
  /** Weighted values: [spans, T, H, D]. */
  readonly sums: View;
  /** Each query's largest score, [spans, T, H], then its sums of weights. */
  readonly notes: View;
}

/** Words of `sums` and of `notes` that a sequence needs. */
export const apartWords = (sizes: Sizes): readonly [sums: number, notes: number] => {
  const rows = spansOf(sizes) * sizes.time * sizes.heads;
  return [rows * sizes.depth, 2 * rows];
};

/** Text of where the vector of query `place` lies in span `span`, and how to load and store its notes; sees `b`. */
export const notesOfSpans = (k: Builder, { notes }: Apart, sizes: Sizes, mode: "read" | "write") => {
  const numbers = k.buffer(notes.buffer, "f32", mode);
  const [rows, before, all, offset] = [
    sizes.time * sizes.heads,
    spansOf(sizes) - 1,
    spansOf(sizes) * sizes.time * sizes.heads,
    notes.offset,
  ].map((x) => k.param(x));
  const vector = (place: string, span: string) => `${place} + (b * ${before} + ${span}) * ${rows}`;
  const at = (place: string, span: string) => `${offset} + b * ${all} + ${vector(place, span)}`;
  return {
    vector,
    load: (place: string, span: string) => ({
      top: numbers.load(at(place, span)),
      sum: numbers.load(`${at(place, span)} + ${all}`),
    }),
    store: (place: string, span: string, top: string, sum: string) =>
      `${numbers.store(at(place, span), top)} ${numbers.store(`${at(place, span)} + ${all}`, sum)}`,
  };
};

/** Sets `level` and `whole`, the largest score and the sum of weights so far, to those with `top` and `sum`; and declares by how much both fade. */
export const joined = (exp: string, sum: string): string[] => [
  "let highest = max(level, top);",
  `let before = ${exp}(level - highest);`,
  `let gain = ${exp}(top - highest);`,
  `whole = fma(${sum}, gain, whole * before);`,
  "level = highest;",
];

/** What spans come to, joined: an invocation has four numbers of a query's result. */
export const joinKernel = (apart: Apart, sizes: Sizes, output: View): Kernel => {
  const k = builder("attention-join");
  const { time, heads, depth, batch } = sizes;
  const vectors = fours(k, depth, { vectors: [], bounds: [], others: [apart.sums, output] });
  const { load } = vectors.result("sums", apart.sums);
  const { put } = vectors.result("out", output);
  const exp = declareWeights(k);
  const notes = notesOfSpans(k, apart, sizes, "read");
  const noted = notes.load("place", "span");
  const count = batch * time * heads * Math.ceil(depth / 4);
  const body = [
    "let e = group * 64u + lane;",
    `if (e >= ${k.param(count)}) { return; }`,
    `let quad = e % ${vectors.quads};`,
    `let place = e / ${vectors.quads};`,
    `let b = place / ${k.param(time * heads)};`,
    "var level = vec4<f32>(-1e30);",
    "var whole = vec4<f32>();",
    "var o = vec4<f32>();",
    `for (var span = 0u; span < ${k.param(spansOf(sizes))}; span++) {`,
    `  let top = vec4<f32>(${noted.top});`,
    ...indented(joined(exp, `vec4<f32>(${noted.sum})`)),
    `  o = fma(${load}(${notes.vector("place", "span")}, quad), vec4<f32>(gain.x), o * before.x);`,
    "}",
    // Who saw nothing has sums of 0 alone.
    "o /= select(whole.x, 1.0, whole.x == 0.0);",
    `${put}(place, quad, o);`,
  ];
  return k.finish({ workgroupSize: 64, workgroups: Math.ceil(count / 64), body: indent(body) });
};
