import type { View } from "../../../plan/steps.js";
import { type Builder, builder, type Kernel } from "../../wgsl/module.js";
import { indent, indented } from "../../wgsl/walk.js";
import { type Places, places, type Sizes } from "./operands.js";
import { type Scoring, scoresOf } from "./scores.js";

/** Invocations of a workgroup: a row of scores each. */
const LANES = 16;
/** Terms that are summed up on their own: long sums keep their digits. */
const BLOCK = 32;

/** What the query at a time sees, as text, of bounds as long as `all`; sees `b`. */
export const sight = (k: Builder, all: Sizes, bounds: readonly View[]): Pick<Places, "visible" | "from"> =>
  places(k, { ...all, share: 1 }, bounds);

/** Text about one row of scores, [H, T] of each sequence: those from `begin` to `sees` alone are read, the others become 0. */
const rowsOf = (
  label: string,
  views: readonly View[],
  sizes: Sizes,
  all: Sizes,
  bounds: readonly View[],
  scoring: Scoring,
) => {
  const k = builder(label);
  const { batch, time, heads, slots } = sizes;
  const rows = batch * heads * time;
  const [T, S, each] = [time, slots, heads * time].map((x) => k.param(x));
  const { visible, from } = sight(k, all, bounds);
  const { score, slope, factor } = scoresOf(k, scoring);
  const isCapped = scoring.softCap !== undefined; // text of four at once
  const held = views.map(({ buffer, offset }, i) => {
    const { load, store } = k.buffer(buffer, "f32", "write");
    return { at: `base${i}`, base: `let base${i} = ${k.param(offset)} + row * ${S};`, load, store };
  });
  const exp = k.helper("exp_f");
  const over = (lines: readonly string[], first = "begin", last = "sees") => [
    `for (var s = ${first}; s < ${last}; s++) {`,
    ...indented(lines),
    "}",
  ];
  const load = (i: number) => held[i].load(`${held[i].at} + s`);
  const store = (i: number, value: string) => held[i].store(`${held[i].at} + s`, value);
  const zeros = held.map((_, i) => store(i, "0.0"));
  return {
    k,
    over,
    load,
    store,
    factor,
    score: isCapped ? `${score(`vec4<f32>(${load(0)})`)}.x` : score(load(0)),
    slope: (of: string) => (isCapped ? `${slope(`vec4<f32>(${of})`)}.x` : ""),
    weight: (of: string) => `${exp}(${of} - top)`,
    /** Names, each the sum of a value that lines define. */
    sums: (names: readonly string[], lines: readonly string[]) => [
      ...names.map((name) => `var ${name} = 0.0;`),
      `for (var block = begin; block < sees; block += ${BLOCK}u) {`,
      ...[
        ...names.map((name) => `var ${name}_part = 0.0;`),
        ...over(
          [...lines, ...names.map((name) => `${name}_part += ${name}_one;`)],
          "block",
          `min(block + ${BLOCK}u, sees)`,
        ),
        ...names.map((name) => `${name} += ${name}_part;`),
      ].map((line) => `  ${line}`),
      "}",
    ],
    finish: (lines: readonly string[]): Kernel =>
      k.finish({
        workgroupSize: LANES,
        workgroups: Math.ceil(rows / LANES),
        body: indent([
          `let row = group * ${LANES}u + lane;`,
          `if (row >= ${k.param(rows)}) { return; }`,
          `let b = row / ${each};`,
          `let time = row % ${T};`,
          `var sees = ${visible("time")};`,
          `var begin = ${from?.("time") ?? "0u"};`,
          "if (begin >= sees) { begin = 0u; sees = 0u; }",
          ...held.map(({ base }) => base),
          ...lines,
          ...over(zeros, "0u", "begin"),
          ...over(zeros, "sees", S),
        ]),
      }),
  };
};

/** Weights of scores, in their place. */
export const weightsKernel = (
  view: View,
  sizes: Sizes,
  all: Sizes,
  bounds: readonly View[],
  scoring: Scoring,
): Kernel => {
  const r = rowsOf("attention-weights", [view], sizes, all, bounds, scoring);
  return r.finish([
    "var top = -1e30;",
    ...r.over([`top = max(top, ${r.score});`]),
    ...r.sums(["sum"], [`let sum_one = ${r.weight(r.score)};`]),
    ...r.over([r.store(0, `${r.weight(r.score)} / sum`)]),
  ]);
};

/** Weights of scores, and changes of the products they are made of from cotangents of weights; in their places. */
export const gradientWeightsKernel = (
  views: readonly View[],
  sizes: Sizes,
  all: Sizes,
  bounds: readonly View[],
  scoring: Scoring,
): Kernel => {
  const r = rowsOf("attention.vjp-weights", views, sizes, all, bounds, scoring);
  return r.finish([
    "var top = -1e30;",
    ...r.over([`top = max(top, ${r.score});`]),
    ...r.sums(["sum", "dot"], [`let sum_one = ${r.weight(r.score)};`, `let dot_one = sum_one * ${r.load(1)};`]),
    ...r.over([
      `let score = ${r.score};`,
      `let weight = ${r.weight("score")} / sum;`,
      r.store(1, `weight * (${r.load(1)} - dot / sum)${r.slope("score")} * ${r.factor}`),
      r.store(0, "weight"),
    ]),
  ]);
};
