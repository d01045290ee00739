import type { View } from "../../../plan/steps.js";
import type { Builder } from "../../wgsl/module.js";
import { declareInFours } from "../attention/lines.js";

/** Below all logits that are numbers; sums of two such are still finite. */
export const LOWEST = "-1e38";

/** What a row's strips come to: each a view [rows, strips]. */
export interface Strips {
  /** The largest logit; Σ eˣ⁻ᵗᵒᵖ; Σ eˣ⁻ᵗᵒᵖ (x - top); Σ x. */
  readonly top: View;
  readonly sum: View;
  readonly dot: View;
  readonly total: View;
}

/** What a kernel that sums up strips reads and writes beside the logits. */
export interface Noting {
  readonly strips: Strips;
  /** The first strip of these columns, and how many a row has in all. */
  readonly first: number;
  readonly count: number;
  /** The token of each row, and the first of these columns of the vocabulary. */
  readonly target: View;
  readonly firstColumn: number;
  /** The logit of that token: written by whoever has it. */
  readonly own: View;
  readonly cap: number | undefined;
  /** Columns of a strip. */
  readonly width: number;
}

/** Declares how what was noted of two lots of logits is joined: fn joined(a, b), each as `noted` gives it. */
const declareJoining = (k: Builder): void => {
  const [exp, max] = [k.helper("exp_f"), k.helper("max_nan")];
  k.func("fn joined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32>", [
    `let top = ${max}(a.x, b.x);`,
    `let gaps = max(vec2<f32>(a.x, b.x) - max(top, ${LOWEST}), vec2<f32>(${LOWEST}));`,
    `let shares = vec2<f32>(${exp}(gaps.x), ${exp}(gaps.y));`,
    "let sums = vec2<f32>(a.y, b.y);",
    "let dots = vec2<f32>(a.z, b.z);",
    "let parts = shares * (dots + sums * gaps);",
    "return vec4<f32>(top, shares.x * a.y + shares.y * b.y, parts.x + parts.y, a.w + b.w);",
  ]);
};

/** Declares what an invocation notes of its four logits of a strip: fn noted(x, isIn) -> (top, Σ eˣ⁻ᵗᵒᵖ, Σ eˣ⁻ᵗᵒᵖ (x - top), Σ x). */
const declareNoting = (k: Builder): void => {
  const [exp, max] = [declareInFours(k, "exp"), k.helper("max_nan")];
  k.func("fn noted(x: vec4<f32>, isIn: vec4<bool>) -> vec4<f32>", [
    `let seen = select(vec4<f32>(${LOWEST}), x, isIn);`,
    `let top = ${max}(${max}(seen.x, seen.y), ${max}(seen.z, seen.w));`,
    `let gaps = select(vec4<f32>(), x - max(top, ${LOWEST}), isIn);`,
    `let shares = select(vec4<f32>(), ${exp}(gaps), isIn);`,
    "let dots = shares * gaps;",
    "let all = select(vec4<f32>(), x, isIn);",
    "return vec4<f32>(top, shares.x + shares.y + shares.z + shares.w, dots.x + dots.y + dots.z + dots.w, all.x + all.y + all.z + all.w);",
  ]);
};

/** Declares logits_of, noted and joined, and gives lines about them. */
export const notes = (k: Builder, { strips, first, count, target, firstColumn, own, cap, width }: Noting) => {
  declareNoting(k);
  declareJoining(k);
  const logits =
    cap === undefined ? "x" : `${k.floatParam(cap)} * ${declareInFours(k, "tanh")}(x * ${k.floatParam(1 / cap)})`;
  k.func("fn logits_of(x: vec4<f32>) -> vec4<f32>", [`return ${logits};`]);
  const id = k.buffer(target.buffer, "i32", "read").load(`${k.param(target.offset)} + row + r`);
  const begins = k.param(firstColumn);
  const chosen = k
    .buffer(own.buffer, "f32", "write")
    .store(`${k.param(own.offset)} + row + r`, "dot(picked, vec4<f32>(1.0))");
  const stores = [strips.top, strips.sum, strips.dot, strips.total].map(({ buffer, offset }, i) =>
    k.buffer(buffer, "f32", "write").store(`${k.param(offset)} + place`, `strip.${"xyzw"[i]}`),
  );
  const [all, before] = [k.param(count), k.param(first)];
  return {
    /** Of `logits` in columns `c` of row `row + r`, which is one: the token's, if it is among them. */
    pick: (n: string): string[] => [
      `let isOwn = (c == vec4<u32>(u32(${id}) - ${begins})) & (c < vec4<u32>(${n}));`,
      "let picked = select(vec4<f32>(), logits, isOwn);",
      `if (any(isOwn)) { ${chosen} }`,
    ],
    /** What was noted of the strip that begins at column `at`, in `strip`. */
    store: (at: string): string[] => [`let place = (row + r) * ${all} + ${before} + (${at}) / ${width}u;`, ...stores],
  };
};
