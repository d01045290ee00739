import { type DType, sizeOf } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import type { Access, Builder } from "../wgsl/module.js";
import { indented, plus } from "../wgsl/walk.js";

/**
 * The 31 bits of a magnitude, from the top. Pieces of the kernels of topk.ts: `threshold` is what is known of the k-th magnitude,
 * `wanted` how many of those at it are still to be taken, `there` how many are. With one lane a workgroup needs no barriers.
 */
export const DIGITS = [
  { below: 20, bits: 11 },
  { below: 9, bits: 11 },
  { below: 0, bits: 9 },
] as const;

/** A digit as text: the bits below it, and how many it has. */
export interface Digit {
  readonly below: string;
  readonly bits: string;
}
export const digitAt = (pass: number): Digit => ({ below: `${DIGITS[pass].below}u`, bits: `${DIGITS[pass].bits}u` });

/** Lines once for each digit, in turn. */
export const eachDigit = (lines: (digit: Digit) => readonly string[]): string[] => [
  "for (var turn = 0u; turn < 3u; turn++) {",
  `  let below = select(select(0u, ${DIGITS[1].below}u, turn == 1u), ${DIGITS[0].below}u, turn == 0u);`,
  `  let bits = select(${DIGITS[0].bits}u, ${DIGITS[2].bits}u, turn == 2u);`,
  ...indented(lines({ below: "below", bits: "bits" })),
  "}",
];

const barrier = (lanes: number): string[] => (lanes === 1 ? [] : ["workgroupBarrier();"]);

/** Numbers in a row, and how many are read at once. */
export interface Numbers {
  /** Lines over `from` … `to`, steps of `stride` reads; `line` sees a magnitude's bits and its index. Both ends are multiples of `width`. */
  readonly walk: (from: string, to: string, stride: number, line: (bits: string, index: string) => string) => string[];
  readonly width: number;
}

/** Read four at a time where they begin and end so. */
export const numbersOf = (k: Builder, x: View, dtype: DType, lanes: number): Numbers => {
  const width = lanes > 1 && x.offset % 4 === 0 && sizeOf(x.shape) % 4 === 0 ? 4 : 1;
  const { load } = width === 4 ? k.quads(x.buffer, dtype) : k.buffer(x.buffer, dtype, "read");
  const offset = k.param(x.offset);
  const bits = k.helper("magnitude_bits");
  return {
    width,
    walk: (from, to, stride, line) => [
      `for (var i = ${from}; i < ${to}; i += ${stride * width}u) {`,
      `  let x = ${load(`${offset} + i`)};`,
      ...(width === 1
        ? [`  ${line(`${bits}(x)`, "i")}`]
        : ["x", "y", "z", "w"].map((part, at) => `  ${line(`${bits}(x.${part})`, `(i + ${at}u)`)}`)),
      "}",
    ],
  };
};

/** Counts by digit, as text. */
export interface Bins {
  readonly clear: (digit: string) => string;
  readonly add: (digit: string) => string;
  readonly load: (digit: string) => string;
}

/** Counts that a workgroup has for itself. */
export const sharedBins = (k: Builder): Bins => {
  k.declare(`var<workgroup> bins: array<atomic<u32>, ${Math.max(...DIGITS.map(({ bits }) => 2 ** bits))}>;`);
  return {
    clear: (d) => `atomicStore(&bins[${d}], 0u);`,
    add: (d) => `atomicAdd(&bins[${d}], 1u);`,
    load: (d) => `atomicLoad(&bins[${d}])`,
  };
};

/** Counts in memory that one invocation alone writes. */
export const ownBins = ({ load, store }: Access, offset = "0u"): Bins => {
  const at = (d: string) => plus(d, offset);
  return {
    clear: (d) => store(at(d), "0u"),
    add: (d) => store(at(d), `${load(at(d))} + 1u`),
    load: (d) => load(at(d)),
  };
};

/** Counts that all workgroups add to; they were cleared before. */
export const allBins = ({ load, add }: Access): Bins => ({ clear: () => "", add: (d) => add(d, "1u"), load });

/** Declares before(lane, own): the sum of what the lanes before have; all lanes call it at once. */
export const share = (k: Builder, lanes: number): void => {
  k.declare(`var<${lanes === 1 ? "private" : "workgroup"}> chosen: vec3<u32>;`);
  if (lanes === 1) return;
  k.declare(`var<workgroup> sums: array<u32, ${lanes}>;
fn before(lane: u32, own: u32) -> u32 {
  sums[lane] = own;
  workgroupBarrier();
  for (var far = 1u; far < ${lanes}u; far *= 2u) {
    let more = select(0u, sums[max(lane, far) - far], lane >= far);
    workgroupBarrier();
    sums[lane] += more;
    workgroupBarrier();
  }
  return sums[lane] - own;
}`);
};

/** Counts a digit of those from `from` to `to` that agree with the threshold above it; zeros, which are never marked, count nowhere. */
export const countDigit = (
  { walk, width }: Numbers,
  { below, bits }: Digit,
  lanes: number,
  bins: readonly Bins[],
  from: string,
  to: string,
): string[] => {
  const begin = lanes === 1 ? from : `${from} + lane * ${width}u`;
  const adds = bins.map(({ add }) => add("d")).join(" ");
  const clears = bins
    .map(({ clear }) => clear("d"))
    .join(" ")
    .trim();
  return [
    ...(clears === "" ? [] : [`for (var d = lane; d < 1u << ${bits}; d += ${lanes}u) { ${clears} }`]),
    ...barrier(lanes),
    `let above = ${below} + ${bits};`,
    `let end = ${to};`,
    ...walk(
      begin,
      "end",
      lanes,
      (x) =>
        `{ let b = ${x}; let d = (b >> ${below}) & ((1u << ${bits}) - 1u); ` +
        `if (b != 0u && (b >> above) == (threshold >> above)) { ${adds} } }`,
    ),
    ...barrier(lanes),
  ];
};

/** Finds a digit, at which what is wanted is reached from the top; if fewer are there it is 0. */
export const findDigit = ({ below, bits }: Digit, lanes: number, bin: (digit: string) => string): string[] => {
  const found = [`if (count >= left || d == 0u) { chosen = vec3<u32>(d, left, count); break; }`, "left -= count;"];
  const take = [`threshold |= chosen.x << ${below};`, "wanted = chosen.y;", "there = chosen.z;"];
  if (lanes === 1)
    return [
      "{",
      "  var left = wanted;",
      `  for (var d = (1u << ${bits}) - 1u; ; d--) {`,
      `    let count = ${bin("d")};`,
      ...found.map((line) => `    ${line}`),
      "  }",
      ...indented(take),
      "}",
    ];
  return [
    "{",
    `  let each = (1u << ${bits}) / ${lanes}u;`,
    `  let top = (1u << ${bits}) - 1u - lane * each;`,
    "  var own = 0u;",
    `  for (var d = 0u; d < each; d++) { own += ${bin("top - d")}; }`,
    "  let ahead = before(lane, own);",
    `  let isHere = ahead < wanted && (wanted <= ahead + own || lane == ${lanes - 1}u);`,
    "  if (isHere || (wanted == 0u && lane == 0u)) {",
    "    var left = wanted - ahead;",
    `    for (var d = top; ; d--) {`,
    `      let count = ${bin("d")};`,
    ...found.map((line) => `      ${line}`),
    "    }",
    "  }",
    ...indented(barrier(lanes)),
    ...indented(take),
    "}",
  ];
};

/** Finds the `need`-th number at the threshold from `from` to `to`, if `need` is not 0; whoever has it runs `line`. */
export const findNth = (
  { walk, width }: Numbers,
  lanes: number,
  from: string,
  to: string,
  need: string,
  line: (index: string) => string,
): string[] => {
  const isTie = (bits: string) => `${bits} == threshold`;
  const found = walk("mine", "last", 1, (x, i) => `if (${isTie(x)}) { seen++; if (seen == ${need}) { ${line(i)} } }`);
  if (lanes === 1)
    return [
      "{",
      `  let mine = ${from};`,
      `  let last = select(mine, ${to}, ${need} != 0u);`,
      "  var seen = 0u;",
      ...found.map((text) => `  ${text}`),
      "}",
    ];
  const each = `(end - begin + ${lanes * width - 1}u) / ${lanes * width}u * ${width}u`;
  return [
    "{",
    `  let begin = ${from};`,
    `  let end = select(begin, ${to}, ${need} != 0u);`,
    `  let each = ${each};`,
    "  let mine = min(begin + lane * each, end);",
    "  let last = min(mine + each, end);",
    "  var own = 0u;",
    ...walk("mine", "last", 1, (x) => `own += select(0u, 1u, ${isTie(x)});`).map((text) => `  ${text}`),
    "  var seen = before(lane, own);",
    `  if (seen < ${need} && ${need} <= seen + own) {`,
    ...found.map((text) => `    ${text}`),
    "  }",
    "}",
  ];
};
