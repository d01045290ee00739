import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, floatWord, type Launch, type Word } from "../launch.js";
import { eachVector, insideOr, scaleRow, sumOfLanes, zeroRow } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import type { Body, FunctionRef, ModuleBuilder } from "../wasm/module.js";
import { f32, f32x4, i32, v128 } from "../wasm/ops.js";
import { blockWeights, eachBlock, mostVisible, packTransposed, scratchOf, sizesOf } from "./attention.js";
import { PANEL_BYTES, tileProduct } from "./tiles.js";

/** dScores = scale · weights · (dWeights - Σ weights·dWeights), in place of dWeights: (weights, dWeights, count, scale). */
const softmaxGradientRow = (module: ModuleBuilder): FunctionRef<undefined> =>
  module.once("attention softmax gradient", () =>
    module.func({ params: ["i32", "i32", "i32", "f32"], result: undefined }, (body, weights, cts, count, scale) => {
      const dot = body.let(f32x4.splatConst(0));
      eachVector(body, count, [weights, cts], (left, w, c) =>
        body.set(dot, f32x4.add(dot, insideOr(body, f32x4.mul(v128.load(w), v128.load(c)), left, 0))),
      );
      const mean = body.let(f32x4.splat(sumOfLanes(body, dot)));
      const factor = body.let(f32x4.splat(scale));
      eachVector(body, count, [weights, cts], (_, w, c) => {
        const difference = f32x4.sub(v128.load(c), mean);
        body.do(v128.store(c, f32x4.mul(f32x4.mul(v128.load(w), factor), difference)));
      });
    }),
  );

const words = [
  "ct",
  "q",
  "k",
  "v",
  "position",
  "dq",
  "B",
  "T",
  "S",
  "H",
  "G",
  "D",
  "scale",
  "kPanels",
  "vPanels",
  "weights",
  "cts",
] as const;

/** A product over a block: what is multiplied, how it lies, and where it goes. */
interface Product {
  readonly a: I32;
  readonly b: I32;
  readonly bStride: I32;
  readonly bNext: I32;
  readonly c: I32;
  readonly cStride: I32;
  readonly m: I32;
  readonly n: I32;
  readonly k: I32;
  readonly adds: 0 | 1;
}

const gradientKernel = fixedKernel("attention.vjp", words, (body, arg, args) => {
  const sizes = sizesOf(body, arg);
  const { T, S, D, H, G, qRow, kRow, scoreRow } = sizes;
  const { ct, q, k, v, position, dq, kPanels, vPanels, weights, cts } = arg;
  const scale = body.let(f32.load(args, 12 * 4));
  const head = body.let(i32.shl(D, i32.const(2)));
  const qSize = body.let(i32.mul(T, qRow));
  const kSize = body.let(i32.mul(S, kRow));
  const dk = body.let(i32.add(dq, i32.mul(arg.B, qSize)));
  const dv = body.let(i32.add(dk, i32.mul(arg.B, kSize)));
  zeroRow(body, dk, i32.mul(i32.const(2), i32.mul(arg.B, i32.mul(S, i32.mul(G, D)))));

  const run = (inner: Body, along: "rows" | "columns", aStride: I32, p: Product) =>
    inner.run(
      tileProduct(inner.module, along),
      p.a,
      aStride,
      p.b,
      p.bStride,
      p.bNext,
      p.c,
      p.cStride,
      p.m,
      p.n,
      p.k,
      i32.const(p.adds),
    );
  const direct = i32.const(PANEL_BYTES);

  body.times(arg.B, () => {
    const [ctHead, qHead, dqHead, kHead, vHead, dkHead, dvHead] = [ct, q, dq, k, v, dk, dv].map((x) => body.let(x));
    body.times(G, () => {
      packTransposed(body, kHead, sizes, kPanels);
      packTransposed(body, vHead, sizes, vPanels);
      body.times(i32.div_u(H, G), () => {
        eachBlock(body, sizes, position, (offset, positions, rows) => {
          const count = mostVisible(body, positions, rows, S);
          const [ctNow, qNow, dqNow] = [ctHead, qHead, dqHead].map((start) => body.let(i32.add(start, offset)));
          const given = { q: qNow, panels: kPanels, scores: weights, position: positions, rows, count, scale };
          blockWeights(body, sizes, given, (row, total) =>
            scaleRow(body, row, count, body.let(f32x4.splat(f32.div(f32.const(1), total)))),
          );
          run(body, "columns", qRow, {
            a: ctNow,
            b: vPanels,
            bStride: direct,
            bNext: i32.mul(D, direct),
            c: cts,
            cStride: scoreRow,
            m: rows,
            n: count,
            k: D,
            adds: 0,
          });
          const [w, c] = [weights, cts].map((start) => body.let(start));
          body.times(rows, () => {
            body.run(softmaxGradientRow(body.module), w, c, count, scale);
            body.advance(w, scoreRow);
            body.advance(c, scoreRow);
          });
          run(body, "columns", scoreRow, {
            a: cts,
            b: kHead,
            bStride: kRow,
            bNext: direct,
            c: dqNow,
            cStride: qRow,
            m: rows,
            n: D,
            k: count,
            adds: 0,
          });
          // dk = dScoresᵀ·q and dv = weightsᵀ·ct, added over blocks and over the heads that share them.
          const toSlots = { bStride: qRow, bNext: direct, cStride: kRow, m: count, n: D, k: rows, adds: 1 } as const;
          run(body, "rows", scoreRow, { a: cts, b: qNow, c: dkHead, ...toSlots });
          run(body, "rows", scoreRow, { a: weights, b: ctNow, c: dvHead, ...toSlots });
        });
        for (const start of [ctHead, qHead, dqHead]) body.advance(start, head);
      });
      for (const start of [kHead, vHead, dkHead, dvHead]) body.advance(start, head);
    });
    for (const tensor of [ct, q, dq]) body.advance(tensor, qSize);
    for (const tensor of [k, v, dk, dv]) body.advance(tensor, kSize);
    body.advance(position, i32.shl(T, i32.const(2)));
  });
});

/** Cotangents of q, k and v, one after the other; scores and weights are computed again, a block of rows at a time. */
export const launchAttentionGradient = ({ inputs, attrs, output }: CallStep): Launch[] => {
  const [B, T, H, D] = inputs[1].shape;
  const [, S, G] = inputs[2].shape;
  if (sizeOf(output.shape) === 0) return [];
  const { panels, scores } = scratchOf(S, D);
  const places = [0, panels, 2 * panels, 2 * panels + scores].map((scratch) => ({ scratch }));
  const numbers: Word[] = [B, T, S, H, G, D, floatWord(attrs.scale as number), ...places];
  const block = [...inputs.map(startOf), startOf(output), ...numbers];
  return [{ kernel: gradientKernel, words: block, scratch: 2 * (panels + scores) }];
};
