import { type DType, sizeOf } from "../../../core/index.js";
import type { CallStep, View } from "../../plan/steps.js";
import { type Access, type Builder, builder, type Kernel, scratch } from "../wgsl/module.js";
import { indent, indented } from "../wgsl/walk.js";
import { rowParts, stretchOf } from "../windows/rows.js";
import { reads, type Windows, writes } from "../windows/windows.js";
import type { Lowering } from "./lowering.js";
import {
  allBins,
  countDigit,
  DIGITS,
  digitAt,
  eachDigit,
  findDigit,
  findNth,
  numbersOf,
  ownBins,
  share,
  sharedBins,
} from "./topk-text.js";

/** Up to so many numbers one workgroup does it all. */
const SMALL = 16_384;
/** Numbers that a workgroup counts, and most workgroups: of each the last digits are kept, since ties go to the lower index. */
const SPAN = 16_384;
const MOST_SPANS = 2048;
const LEAST_SPAN = 1024;

/** Scratch 0 to 2: how many have each digit, for the three digits; after the last ones, ties counted so far. 3: last digits by span. */
const BINS = DIGITS.map(({ bits }) => 2 ** bits);
const LAST = BINS.length - 1;
const SPANS = LAST + 1;
const COUNTED = `${BINS[LAST]}u`;

/** What the result is before it is known where ties end: all of them, or none where nothing but zeros is left. */
const FOUND = ["let isExact = there == wanted || threshold == 0u;", "let need = select(wanted, 0u, isExact);"];

/** Writes what one invocation knows: of a tie that has to be cut only whoever finds its place writes the second number. */
const store = (k: Builder, output: View) => {
  const out = k.buffer(output.buffer, "u32", "write");
  const at = k.param(output.offset);
  return {
    known: (size: string) => [
      `  ${out.store(at, "threshold")}`,
      `  if (isExact) { ${out.store(`${at} + 1u`, `select(${size}, 0u, threshold == 0u)`)} }`,
    ],
    before: (index: string) => out.store(`${at} + 1u`, index),
  };
};

/** All passes over a few numbers by one workgroup, its counts in memory of its own. */
const smallKernel = (x: View, dtype: DType, k: number, output: View, lanes: number): Kernel => {
  const b = builder("topk");
  const numbers = numbersOf(b, x, dtype, lanes);
  const out = store(b, output);
  const size = b.param(sizeOf(x.shape));
  const bins = lanes === 1 ? ownBins(b.buffer(scratch(0), "u32", "write")) : sharedBins(b);
  share(b, lanes);
  const body = [
    "var threshold = 0u;",
    `var wanted = ${b.param(k)};`,
    "var there = 0u;",
    ...eachDigit((digit) => [
      ...countDigit(numbers, digit, lanes, [bins], "0u", size),
      ...findDigit(digit, lanes, bins.load),
    ]),
    ...FOUND,
    "if (lane == 0u) {",
    ...out.known(size),
    "}",
    ...findNth(numbers, lanes, "0u", size, "need", (i) => out.before(`${i} + 1u`)),
  ];
  return b.finish({ workgroupSize: lanes, workgroups: 1, body: indent(body) });
};

/** The counts of one digit, where they begin. */
const counts = (b: Builder, { buffer, offset }: View, mode: "read" | "write" | "atomic"): Access => {
  const [access, from] = [b.buffer(buffer, "u32", mode), b.param(offset)];
  return {
    load: (d) => access.load(`${from} + ${d}`),
    store: (d, value) => access.store(`${from} + ${d}`, value),
    add: (d, value) => access.add(`${from} + ${d}`, value),
  };
};

const clearKernel = (bins: readonly View[]): Kernel => {
  const b = builder("topk-clear");
  const body = [
    "let i = group * 64u + lane;",
    ...bins.map((view) => {
      const to = counts(b, view, "write");
      return `if (i < ${sizeOf(view.shape)}u) { ${to.store("i", "0u")} }`;
    }),
  ];
  return b.finish({ workgroupSize: 64, workgroups: Math.ceil(Math.max(...BINS) / 64), body: indent(body) });
};

/** The digits before `passes`, from how many have each. */
const found = (b: Builder, { k, bins, lanes }: Part, passes: number, mode: "read" | "write"): string[] => [
  "var threshold = 0u;",
  `var wanted = ${b.param(k)};`,
  "var there = 0u;",
  ...bins
    .slice(0, passes)
    .flatMap((view, pass) => findDigit(digitAt(pass), lanes, counts(b, view, pass === LAST ? mode : "read").load)),
];

/** What the kernels over one part of the numbers know. */
interface Part {
  /** [spans, numbers in a span]; the last span may be shorter. */
  readonly x: View;
  readonly dtype: DType;
  readonly span: number;
  /** Number of the first one. */
  readonly first: number;
  /** [spans, last digits] */
  readonly spans: View;
  /** [digits] for each digit; after the last ones, ties counted so far. */
  readonly bins: readonly View[];
  readonly k: number;
  readonly lanes: number;
}

/** Counts one digit of the numbers that agree with the digits before. Integer atomics: any order, one result. */
const countKernel = (part: Part, pass: number): Kernel => {
  const { x, dtype, span, spans, lanes } = part;
  const b = builder("topk-count");
  const numbers = numbersOf(b, x, dtype, lanes);
  const to = counts(b, part.bins[pass], "atomic");
  const kept = pass === LAST ? b.buffer(spans.buffer, "u32", "write") : undefined;
  const [rows, size, spanText] = [spans.shape[0], sizeOf(x.shape), b.param(span)];
  const own = `${b.param(spans.offset)} + group * ${BINS[LAST]}u`;
  share(b, lanes);
  // One invocation alone counts where all do; a workgroup adds up its own first.
  const bins = lanes > 1 ? [sharedBins(b)] : [allBins(to), ...(kept === undefined ? [] : [ownBins(kept, own)])];
  const join = [
    `for (var d = lane; d < ${BINS[pass]}u; d += ${lanes}u) {`,
    `  let count = ${bins[0].load("d")};`,
    `  if (count > 0u) { ${to.add("d", "count")} }`,
    ...(kept === undefined ? [] : [`  ${kept.store(`${own} + d`, "count")}`]),
    "}",
  ];
  const [from, end] = [`group * ${spanText}`, `min((group + 1u) * ${spanText}, ${b.param(size)})`];
  const body = [
    `if (group >= ${b.param(rows)}) { return; }`,
    ...found(b, part, pass, "read"),
    ...countDigit(numbers, digitAt(pass), lanes, bins, from, end),
    ...(lanes > 1 ? join : []),
  ];
  return b.finish({ workgroupSize: lanes, workgroups: rows, body: indent(body) });
};

/** One workgroup: the whole threshold; and if ties have to be cut in this part, where: first the span, then the number. */
const cutKernel = (part: Part, size: number, output: View): Kernel => {
  const { x, dtype, span, first, spans, bins, lanes } = part;
  const b = builder("topk-cut");
  const numbers = numbersOf(b, x, dtype, lanes);
  const out = store(b, output);
  const kept = b.buffer(spans.buffer, "u32", "read");
  const state = counts(b, bins[LAST], "write");
  const [rows, spanText, firstText] = [b.param(spans.shape[0]), b.param(span), b.param(first)];
  const each = b.param(Math.ceil(spans.shape[0] / lanes));
  const ties = (s: string) => kept.load(`${b.param(spans.offset)} + (${s}) * ${BINS[LAST]}u + digit`);
  share(b, lanes);
  b.declare(`var<${lanes === 1 ? "private" : "workgroup"}> place: vec2<u32>;`);
  const body = [
    ...found(b, part, BINS.length, "write"),
    ...FOUND,
    `let counted = ${state.load(COUNTED)};`,
    ...(lanes === 1 ? [] : ["storageBarrier();"]),
    `let digit = threshold & ${BINS[LAST] - 1}u;`,
    "if (lane == 0u) {",
    `  place = vec2<u32>(${rows}, 0u);`,
    `  if (${firstText} == 0u) {`,
    ...indented(out.known(b.param(size))),
    "  }",
    "}",
    "var own = 0u;",
    `let end = min((lane + 1u) * ${each}, ${rows});`,
    `for (var s = lane * ${each}; s < end; s++) { own += ${ties("s")}; }`,
    lanes === 1 ? "var ahead = counted;" : "var ahead = counted + before(lane, own);",
    `if (lane == ${lanes - 1}u) { ${state.store(COUNTED, "ahead + own")} }`,
    "if (ahead < need && need <= ahead + own) {",
    `  for (var s = lane * ${each}; s < end; s++) {`,
    `    let here = ${ties("s")};`,
    "    if (need <= ahead + here) { place = vec2<u32>(s, need - ahead); break; }",
    "    ahead += here;",
    "  }",
    "}",
    ...(lanes === 1 ? [] : ["workgroupBarrier();"]),
    `let begin = min(place.x * ${spanText}, ${b.param(sizeOf(x.shape))});`,
    ...findNth(numbers, lanes, "begin", `min(begin + ${spanText}, ${b.param(sizeOf(x.shape))})`, "place.y", (i) =>
      out.before(`${firstText} + ${i} + 1u`),
    ),
  ];
  return b.finish({ workgroupSize: lanes, workgroups: 1, body: indent(body) });
};

const binsView = (index: number, words: number, offset: number): View => ({
  ...{ buffer: scratch(index), shape: [words], strides: [1], offset },
});

/** Numbers of a span: enough for a workgroup, few enough spans, and as many as a window holds. */
const spanFor = (x: View, dtype: DType, windows: Windows): number => {
  let span = Math.max(SPAN, Math.ceil(sizeOf(x.shape) / MOST_SPANS / LEAST_SPAN) * LEAST_SPAN);
  while (span > LEAST_SPAN && !windows.fitsAnywhere([reads(stretchOf(x, 0, span), dtype)], []))
    span = Math.ceil(span / 2048) * 1024;
  return span;
};

/**
 * Where the k largest magnitudes end: the k-th one is found exactly, digit by digit, by counting; ties go to the lower
 * index. Three reads of the numbers, and of one span of them where ties have to be cut; no sort. Each pass goes over the
 * tensor window by window.
 */
export const topkCutKernels = (step: CallStep, { wide, windows, scratch: ask }: Lowering): Kernel[] => {
  const [[x], [dtype], k] = [step.inputs, step.dtypes, step.attrs.k as number];
  const size = sizeOf(x.shape);
  if (size === 0) return [];
  const lanes = wide ? 256 : 1;
  /** The counts of a digit, and after the last ones a number more, in scratch memory. */
  const asked = (pass: number): View => {
    const words = BINS[pass] + (pass === LAST ? 1 : 0);
    const own = [writes(binsView(pass, words, ask(pass, words)))];
    return (windows.fits(own) ? windows.place(own) : windows.refuse("topkMask", own))[0];
  };
  const all = [reads(stretchOf(x, 0, size), dtype), writes(step.output)];
  if (size <= SMALL && windows.fits(all)) {
    const [from, to] = windows.place(all);
    if (lanes === 1) asked(0);
    return [smallKernel(from, dtype, k, to, lanes)];
  }
  const span = spanFor(x, dtype, windows);
  const count = Math.ceil(size / span);
  const bins = BINS.map((_, pass) => asked(pass));
  const noted = binsView(SPANS, count * BINS[LAST], ask(SPANS, count * BINS[LAST]));
  const spans = { ...noted, shape: [count, BINS[LAST]], strides: [BINS[LAST], 1] };
  const over = [
    { view: x, along: span, dtype },
    { view: spans, along: BINS[LAST], isWritten: true },
    { view: step.output, along: undefined, isWritten: true },
  ];
  const parts = rowParts("topkMask", count, over, windows).map(({ from, rows, views: [numbers, kept, output] }) => {
    const own = { ...kept, shape: [rows, BINS[LAST]] };
    return { part: { ...{ x: numbers, dtype, span, first: from * span }, ...{ spans: own, bins, k, lanes } }, output };
  });
  return [
    clearKernel(bins),
    ...DIGITS.flatMap((_, pass) => parts.map(({ part }) => countKernel(part, pass))),
    ...parts.map(({ part, output }) => cutKernel(part, size, output)),
  ];
};
