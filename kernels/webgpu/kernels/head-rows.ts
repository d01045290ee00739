import type { View } from "../../plan/steps.js";
import type { Builder } from "../wgsl/module.js";
import { indent } from "../wgsl/walk.js";
import { declareInFours } from "./attention/rows.js";
import type { Taking } from "./matmul/tiled.js";

/** Columns of the vocabulary that are summed up together. */
export const STRIP = 64;
/** Invocations that share a strip: each has four of its columns, so many apart. */
export const LANES = STRIP / 4;

/** Below all logits that are numbers; sums of two such are still finite. */
const LOWEST = "-1e38";

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

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/**
 * Takes a tile of logits that lies in registers: of each row and strip what `Strips` holds, by way of workgroup memory, and the
 * logit of the row's token. Strips are made and joined in one order whatever the tile, so that a row's bits depend on it alone.
 */
export const takeStrips =
  ({ strips, first, count, target, firstColumn, own, cap }: Noting): Taking =>
  ({ k, m, n }, { down, across, lanesDown, room, four, rowOf, columnOf }) => {
    declareNoting(k);
    declareJoining(k);
    const logits =
      cap === undefined ? "x" : `${k.floatParam(cap)} * ${declareInFours(k, "tanh")}(x * ${k.floatParam(1 / cap)})`;
    k.func("fn logits_of(x: vec4<f32>) -> vec4<f32>", [`return ${logits};`]);
    const id = k.buffer(target.buffer, "i32", "read").load(`${k.param(target.offset)} + row + r`);
    const chosen = k
      .buffer(own.buffer, "f32", "write")
      .store(`${k.param(own.offset)} + row + r`, "dot(picked, vec4<f32>(1.0))");
    const notes = [strips.top, strips.sum, strips.dot, strips.total].map(({ buffer, offset }, i) =>
      k.buffer(buffer, "f32", "write").store(`${k.param(offset)} + place`, `strip.${"xyzw"[i]}`),
    );
    let together = down;
    while (together * lanesDown * LANES > room) together /= 2;
    const lines = together * lanesDown; // rows at a time
    const turns = down / together;
    const rowAt = (line: string) => rowOf(`${line} % ${lanesDown}u`, `turn * ${together}u + ${line} / ${lanesDown}u`);
    const puts = upTo(across / 4).flatMap((q) =>
      upTo(turns).map((turn) =>
        upTo(together).map(
          (at) => `tile[(y + ${at * lanesDown}u) * ${LANES}u + x] = ${four(turn * together + at, q)};`,
        ),
      ),
    );
    return [
      `for (var phase = 0u; phase < ${puts.length}u; phase++) {`,
      `  let q = phase / ${turns}u;`,
      `  let turn = phase % ${turns}u;`,
      "  switch phase {",
      ...puts.flatMap((put, i) => [
        i === puts.length - 1 ? "    default: {" : `    case ${i}u: {`,
        indent(put, 6),
        "    }",
      ]),
      "  }",
      "  workgroupBarrier();",
      `  for (var at = lane; at < ${lines * LANES}u; at += ${lanesDown * LANES}u) {`,
      `    let c = column + vec4<u32>(${upTo(4).map((j) => columnOf(`(at % ${LANES}u)`, `4u * q + ${j}u`))});`,
      "    let logits = logits_of(tile[at]);",
      `    tile[at] = noted(logits, c < vec4<u32>(${n}));`,
      `    let r = ${rowAt(`(at / ${LANES}u)`)};`,
      `    if (row + r < ${m}) {`,
      `      let isOwn = (c == vec4<u32>(u32(${id}) - ${k.param(firstColumn)})) & (c < vec4<u32>(${n}));`,
      "      let picked = select(vec4<f32>(), logits, isOwn);",
      `      if (any(isOwn)) { ${chosen} }`,
      "    }",
      "  }",
      "  workgroupBarrier();",
      `  let r = ${rowAt("lane")};`,
      `  let mine = column / ${STRIP}u + q;`,
      `  if (lane < ${lines}u && row + r < ${m} && mine * ${STRIP}u < ${n}) {`,
      `    var strip = tile[lane * ${LANES}u];`,
      `    for (var at = 1u; at < ${LANES}u; at++) { strip = joined(strip, tile[lane * ${LANES}u + at]); }`,
      `    let place = (row + r) * ${k.param(count)} + ${k.param(first)} + mine;`,
      ...notes.map((line) => `    ${line}`),
      "  }",
      "  workgroupBarrier();",
      "}",
    ];
  };
