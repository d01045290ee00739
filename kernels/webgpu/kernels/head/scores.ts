import { type DType, sizeOf } from "../../../../core/index.js";
import type { CallStep, MatmulStep, View } from "../../../plan/steps.js";
import { type Kernel, scratch } from "../../wgsl/module.js";
import { cut } from "../../windows/box.js";
import { rowParts, stretchOf } from "../../windows/rows.js";
import { reads, type Touched, writes } from "../../windows/windows.js";
import type { Lowering } from "../lowering.js";
import { tiledKernel } from "../matmul/tiled.js";
import { chosen, TILES, type Tile } from "../matmul/tiles.js";
import { along, rowsKernel, written } from "../rows-kernel.js";
import { SHARERS, takeFromLanes, WIDTH } from "./lanes.js";
import type { Noting } from "./strips.js";

/** Multiply-adds of a kernel that has more than one strip, at most: a tenth of a second of a slow GPU. */
const MOST_WORK = 5e10;
/** Rows whose strips are there at a time: 78 MB of them for 151 936 tokens. */
const MOST_ROWS = 2048;

/** Tiles whose invocations have four columns of each strip, the same ones in all. */
const tilesOf = ({ tiles = TILES }: Lowering): readonly Tile[] => {
  const fit = (some: readonly Tile[]) =>
    some.filter(({ columns, across }) => columns % WIDTH === 0 && columns / across === SHARERS);
  return fit(tiles).length > 0 ? fit(tiles) : fit(TILES);
};

/** How strips are summed up: how wide they are, and the kernel of some rows and strips of the product hidden · Wᵀ. */
export interface Method {
  readonly width: number;
  readonly kernel: (product: MatmulStep, noting: Noting) => Kernel;
}

const inRegisters = (lowering: Lowering): Method => ({
  width: WIDTH,
  kernel: (product, noting) => {
    const length = product.a.shape[1];
    const { tile } = chosen(product, { parts: 1, length }, tilesOf(lowering), lowering.rates);
    const part = { step: product, continues: false };
    return tiledKernel(part, tile, { parts: 1, length, together: length }, takeFromLanes(noting));
  },
});

/** What is known of rows once their strips are, in scratch memory: four views [rows, strips], and the logits of their tokens. */
const notedIn = (rows: number, strips: number, lowering: Lowering) => {
  const size = rows * strips;
  const from = lowering.scratch(0, 4 * size + rows);
  const at = (i: number, count: number): View => ({
    ...{ buffer: scratch(0), shape: [count], strides: [1] },
    offset: from + i * size,
  });
  return { strips: [0, 1, 2, 3].map((i) => at(i, size)), own: at(4, rows) };
};

/** Rows `from` … `to`, and strips `first` … `end` of the vocabulary. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly end: number;
}

const halfWay = (from: number, to: number): number => Math.ceil((from + to) / 2);

/** The kernels that sum up strips. */
const stripKernels = (
  step: CallStep,
  { width, kernel }: Method,
  noted: ReturnType<typeof notedIn>,
  { windows }: Lowering,
): Kernel[] => {
  const [hidden, W, target] = step.inputs;
  const [[M, D], [V]] = [hidden.shape, W.shape];
  const [hiddenType, weightType] = step.dtypes as readonly [DType, DType];
  const count = Math.ceil(V / width);
  const columnsOf = ({ first, end }: Part) => Math.min(V, end * width) - first * width;
  const touched = (part: Part): Touched[] => {
    const { from, to, first } = part;
    const ofRows = (view: View, each: number) => stretchOf(view, from * each, (to - from) * each);
    return [
      reads(stretchOf(W, first * width * D, columnsOf(part) * D), weightType),
      reads(ofRows(hidden, D), hiddenType),
      reads(ofRows(target, 1), "i32"),
      ...noted.strips.map((view) => writes(ofRows(view, count))),
      writes(ofRows(noted.own, 1)),
    ];
  };
  const isSmall = (part: Part) =>
    part.end - part.first === 1 || (part.to - part.from) * columnsOf(part) * D <= MOST_WORK;
  const parts = cut<Part>(
    { from: 0, to: M, first: 0, end: count },
    (part) => isSmall(part) && windows.fits(touched(part)),
    (part) => {
      const { from, to, first, end } = part;
      const all = touched(part);
      if (end - first > 1 && (!isSmall(part) || windows.tooLong(all).includes(all[0])))
        return [
          { ...part, end: halfWay(first, end) },
          { ...part, first: halfWay(first, end) },
        ];
      if (to - from <= 1) return windows.refuse("headScores", all);
      return [
        { ...part, to: halfWay(from, to) },
        { ...part, from: halfWay(from, to) },
      ];
    },
  );
  return parts.map((part) => {
    const [w, h, ids, top, sum, dot, total, own] = windows.place(touched(part));
    const [rows, columns] = [part.to - part.from, columnsOf(part)];
    const product: MatmulStep = {
      ...{ kind: "matmul", dtypes: [hiddenType, weightType] },
      a: { ...h, shape: [rows, D], strides: [D, 1] },
      b: { ...w, shape: [D, columns], strides: [1, D] },
      output: { ...top, shape: [rows, columns], strides: [columns, 1] }, // never written
    };
    return kernel(product, {
      ...{ strips: { top, sum, dot, total }, first: part.first, count, width },
      ...{ target: ids, firstColumn: part.first * width, own, cap: step.attrs.cap as number | undefined },
    });
  });
};

/** The kernels that join the strips of each row. */
const rowKernels = (
  step: CallStep,
  { width }: Method,
  noted: ReturnType<typeof notedIn>,
  lowering: Lowering,
): Kernel[] => {
  const { output, attrs } = step;
  const [hidden, W, target] = step.inputs;
  const [[M], [V]] = [hidden.shape, W.shape];
  const strips = Math.ceil(V / width);
  const numbers = sizeOf(output.shape) / M;
  const over = [
    ...noted.strips.map((view) => along(view, strips)),
    ...[along(noted.own, 1), along(target, 1, "i32"), written(output, numbers)],
  ];
  return rowParts("headScores", M, over, lowering.windows).map(({ rows, views }) => {
    const [tops, sums, dots, totals, own, ids, to] = views;
    const r = rowsKernel("headScores-rows", rows, strips, lowering);
    const { k } = r;
    const exp = k.helper("exp_f");
    const [top, sum, dot, total] = [tops, sums, dots, totals].map((view) => r.read(view, "f32"));
    const ofRow = ({ buffer, offset }: View, dtype: DType) =>
      k.buffer(buffer, dtype, "read").load(`${k.param(offset)} + row`);
    const out = k.buffer(to.buffer, "f32", "write");
    const share = `${exp}(${top} - top)`;
    const values =
      attrs.metrics === true
        ? [
            "-((top - chosen) + log_sum)",
            "log_sum - dot / sum",
            "select(0.0, 1.0, chosen == top)",
            `total / f32(${k.param(V)})`,
            ...["top", "log_sum"],
          ]
        : ["-((top - chosen) + log_sum)", "top", "log_sum"];
    return r.finish([
      ...r.totals("max", { top }),
      ...r.totals("sum", { sum: `${sum} * ${share}`, dot: `${share} * (${dot} + ${sum} * (${top} - top))`, total }),
      `let id = ${ofRow(ids, "i32")};`,
      "var chosen = 0.0;",
      `if (id >= 0 && u32(id) < ${k.param(V)}) { chosen = ${ofRow(own, "f32")}; }`,
      `let log_sum = ${k.helper("log_f")}(sum);`,
      ...values.map((value, i) => r.once(out.store(`${k.param(to.offset)} + row * ${numbers}u + ${i}u`, value))),
    ]);
  });
};

/** Some rows of a call. */
const rowsOfStep = (step: CallStep, from: number, to: number): CallStep => {
  const [hidden, W, target] = step.inputs;
  const some = (view: View): View => {
    const [count, ...shape] = view.shape;
    return { ...view, shape: [to - from, ...shape], offset: view.offset + (sizeOf(view.shape) / count) * from };
  };
  return { ...step, inputs: [some(hidden), W, some(target)], output: some(step.output) };
};

/**
 * What W h says of a token a row; no logit is ever stored. Kernels over tiles of rows and columns sum up strips of columns, and one
 * more joins the strips of each row. Tolerance: that of `tokenScores` of a plain product.
 */
export const headScoresKernels = (step: CallStep, lowering: Lowering, methodOf = inRegisters): Kernel[] => {
  const [hidden, W] = step.inputs;
  const [M] = hidden.shape;
  const method = methodOf(lowering);
  return Array.from({ length: Math.ceil(M / MOST_ROWS) }, (_, i) => i * MOST_ROWS).flatMap((from) => {
    const to = Math.min(M, from + MOST_ROWS);
    const some = rowsOfStep(step, from, to);
    const noted = notedIn(to - from, Math.ceil(W.shape[0] / method.width), lowering);
    return [...stripKernels(some, method, noted, lowering), ...rowKernels(some, method, noted, lowering)];
  });
};
