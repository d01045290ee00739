import type { DType } from "../../../../core/index.js";
import type { CallStep, View } from "../../../plan/steps.js";
import { type Kernel, scratch } from "../../wgsl/module.js";
import { cut } from "../../windows/box.js";
import { reads, type Touched, writes } from "../../windows/windows.js";
import { resultsOf } from "../attention-gradient.js";
import type { Kernels, Lowering } from "../lowering.js";
import { type Ending, registerKernel } from "../matmul/register.js";
import { type Sizes, sizesOf } from "./operands.js";
import type { Scoring } from "./scores.js";
import { gradientWeightsKernel, sight, weightsKernel } from "./weights.js";

/**
 * Attention on adapters that run on the CPU and for which a load costs much more than arithmetic (SwiftShader, by its subgroups):
 * the scores of some queries lie in scratch memory, so that all is products, whose tiles load each number few times. Tiles of scores
 * that no query sees are not computed, and slots that none sees are not read. A query's bits depend on nothing but what it sees.
 */
const LANES = 4;
/** Most scores that are held: 16 MiB, or a part of them all, so that there are not more pieces than about so many. */
const MOST = 2 ** 22;
const PIECES = 32;

/** Queries of some sequences, at some times: [from, to). */
interface Piece {
  readonly sequences: readonly [number, number];
  readonly times: readonly [number, number];
}

/** A kernel, and what it binds. */
interface Launch {
  readonly touched: readonly Touched[];
  readonly kernel: (views: readonly View[]) => Kernel;
}

/** Views of a piece; heads are batches of matrices, [B, G, H/G, rows, columns]. */
const viewsOf = (all: Sizes, { sequences, times }: Piece) => {
  const { heads, depth, groups, share, slots } = all;
  const [first, begin] = [sequences[0], times[0]];
  const [batch, time] = [sequences[1] - first, times[1] - begin];
  return {
    sizes: { ...all, batch, time },
    words: batch * heads * time * slots,
    ofQueries: ({ buffer, offset }: View): View => ({
      ...{ buffer, offset: offset + (first * all.time + begin) * heads * depth },
      shape: [batch, groups, share, time, depth],
      strides: [all.time * heads * depth, share * depth, depth, heads * depth, 1],
    }),
    /** Of keys: they repeat for the heads that share them. */
    ofKeys: ({ buffer, offset }: View): View => ({
      ...{ buffer, offset: offset + first * slots * groups * depth },
      shape: [batch, groups, share, slots, depth],
      strides: [slots * groups * depth, depth, 0, groups * depth, 1],
    }),
    scores: (buffer: number, offset: number): View => ({
      ...{ buffer, offset, shape: [batch, groups, share, time, slots] },
      strides: [heads, share, 1].map((count) => count * time * slots).concat([slots, 1]),
    }),
    ofBound: ({ buffer, offset }: View): View => ({
      ...{ buffer, offset: offset + first * all.time + begin },
      ...{ shape: [batch, time], strides: [all.time, 1] },
    }),
  };
};

const swapped = <T>(x: readonly T[]): T[] => [...x.slice(0, -2), x[x.length - 1], x[x.length - 2]];
const turned = (view: View): View => ({ ...view, shape: swapped(view.shape), strides: swapped(view.strides) });
/** Head `at` of those that share their keys. */
const ofShare = (view: View, at: number): View => ({
  ...view,
  shape: view.shape.filter((_, axis) => axis !== 2),
  strides: view.strides.filter((_, axis) => axis !== 2),
  offset: view.offset + at * view.strides[2],
});

const scoringOf = ({ attrs }: CallStep): Scoring => attrs as unknown as Scoring;

/** A product, whose ending is told by positions. */
const product = (
  [a, b, output]: readonly View[],
  dtypes: readonly [DType, DType],
  lowering: Lowering,
  {
    continues = false,
    ending,
  }: { continues?: boolean; ending?: { of: Ending["of"]; all: Sizes; position: View } } = {},
): Launch => ({
  touched: [
    ...[a, b].map((view, i) => reads(view, dtypes[i])),
    writes(output),
    ...(ending === undefined ? [] : [reads(ending.position)]),
  ],
  kernel: ([placedA, placedB, placedOutput, position]) => {
    const step = { kind: "matmul", a: placedA, b: placedB, dtypes, output: placedOutput } as const;
    return registerKernel({ step, continues }, lowering, ending && endingOf(ending.of, ending.all, position));
  },
});

const endingOf = (of: Ending["of"], all: Sizes, position: View): Ending => ({
  of,
  lines: (k, rows, limit) => {
    const { visible } = sight(k, all, [position]);
    return [
      `let b = batch / ${k.param(all.heads)};`,
      "var end = 0u;",
      `for (var r = 0u; r < ${rows}u; r++) { end = max(end, ${visible(`min(row + r, ${limit} - 1u)`)}); }`,
    ];
  },
});

/** Rows of scores, `held`, as they are turned into weights. */
const rows = (
  held: readonly View[],
  bounds: readonly View[],
  kernel: (held: readonly View[], bounds: readonly View[]) => Kernel,
): Launch => ({
  touched: [...held.map((view) => writes(view)), ...bounds.map((view) => reads(view))],
  kernel: (views) => kernel(views.slice(0, held.length), views.slice(held.length)),
});

/** The kernels of a call, in pieces that hold few enough scores, in `held` scratch buffers, and can be bound. */
const inPieces = (
  what: string,
  all: Sizes,
  held: number,
  { scratch: ask, windows }: Lowering,
  launchesOf: (piece: Piece, views: ReturnType<typeof viewsOf>, scores: readonly View[]) => readonly Launch[],
): Kernel[] => {
  const of = (piece: Piece, offset: (index: number, words: number) => number) => {
    const views = viewsOf(all, piece);
    const scores = Array.from({ length: held }, (_, i) => views.scores(scratch(i), offset(i, views.words)));
    return { words: views.words, launches: launchesOf(piece, views, scores) };
  };
  const pieces = cut<Piece>(
    { sequences: [0, all.batch], times: [0, all.time] },
    (piece) => {
      const { words, launches } = of(piece, () => 0);
      const isFew = words <= Math.max(MOST, (all.batch * all.time * all.heads * all.slots) / PIECES);
      return (isFew || words === all.heads * all.slots) && launches.every(({ touched }) => windows.fits(touched));
    },
    (piece) => {
      const axis = (["sequences", "times"] as const).find((name) => piece[name][1] - piece[name][0] > 1);
      if (axis === undefined) {
        const { launches } = of(piece, () => 0);
        return windows.refuse(what, launches.find(({ touched }) => !windows.fits(touched))?.touched ?? []);
      }
      const [from, to] = piece[axis];
      const middle = Math.ceil((from + to) / 2);
      return [
        { ...piece, [axis]: [from, middle] },
        { ...piece, [axis]: [middle, to] },
      ];
    },
  );
  return pieces.flatMap((piece) =>
    of(piece, ask).launches.map(({ touched, kernel }) => kernel(windows.place(touched))),
  );
};

/** Is there anything to multiply, on such an adapter? */
const isFor = (all: Sizes, { subgroup }: Lowering): boolean =>
  subgroup === LANES && [all.batch, all.time, all.heads, all.depth, all.slots].every((size) => size > 0);

/** softmax(scale q kᵀ) v; or `otherwise`, on other adapters and where all is empty. */
export const productAttention =
  (otherwise: Kernels): Kernels =>
  (step, lowering) => {
    const [q, k, v, ...bounds] = step.inputs;
    const [qType, kType, vType] = step.dtypes;
    const all = sizesOf(q, k);
    if (!isFor(all, lowering)) return otherwise(step, lowering);
    return inPieces(step.name, all, 1, lowering, (_, { sizes, ofQueries, ofKeys, ofBound }, [scores]) => {
      const seen = bounds.map(ofBound);
      const ending = (of: Ending["of"]) => ({ ending: { of, all, position: seen[0] } });
      const values = [scores, ofKeys(v), ofQueries(step.output)];
      return [
        product([ofQueries(q), turned(ofKeys(k)), scores], [qType, kType], lowering, ending("columns")),
        rows([scores], seen, ([held], at) => weightsKernel(held, sizes, all, at, scoringOf(step))),
        product(values, ["f32", vType], lowering, ending("inner")),
      ];
    });
  };

/** Its cotangents. */
export const productGradient =
  (otherwise: Kernels): Kernels =>
  (step, lowering) => {
    const [ct, q, k, v, ...bounds] = step.inputs;
    const [ctType, qType, kType, vType] = step.dtypes;
    const [dq, dk, dv] = resultsOf(step);
    const all = sizesOf(q, k);
    if (!isFor(all, lowering)) return otherwise(step, lowering);
    return inPieces(step.name, all, 2, lowering, ({ times }, { sizes, ofQueries, ofKeys, ofBound }, held) => {
      const [weights, changes] = held;
      const seen = bounds.map(ofBound);
      const ending = (of: Ending["of"]) => ({ ending: { of, all, position: seen[0] } });
      /** Over the queries of a key: those of all heads that share it, and of earlier times, go on with what lies there. */
      const sums = (scores: View, of: View, dtype: DType, to: View): Launch[] =>
        Array.from({ length: all.share }, (_, at) => {
          const views = [turned(ofShare(scores, at)), ofShare(ofQueries(of), at), ofShare(ofKeys(to), 0)];
          return product(views, ["f32", dtype], lowering, { continues: at > 0 || times[0] > 0 });
        });
      return [
        product([ofQueries(q), turned(ofKeys(k)), weights], [qType, kType], lowering, ending("columns")),
        product([ofQueries(ct), turned(ofKeys(v)), changes], [ctType, vType], lowering, ending("columns")),
        rows(held, seen, (views, at) => gradientWeightsKernel(views, sizes, all, at, scoringOf(step))),
        product([changes, ofKeys(k), ofQueries(dq)], ["f32", kType], lowering, ending("inner")),
        ...sums(changes, q, qType, dk),
        ...sums(weights, ct, ctType, dv),
      ];
    });
  };
