import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, type Kernel, type Launch, moved, type Word } from "../launch.js";
import { eachVector, insideOr, sumOfLanes, zeroRow } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import type { Body, FunctionRef, ModuleBuilder } from "../wasm/module.js";
import { f32x4, i32, times4, v128 } from "../wasm/ops.js";
import {
  advanceBounds,
  blockWeights,
  eachBlock,
  packTransposed,
  panelOf,
  sizesOf,
  slotsOfBlock,
} from "./attention-block.js";
import { FORM_WORDS, type Form, formOf, formWords, scoringOf } from "./attention-form.js";
import { attentionWork, scratchOf, shares } from "./attention-shares.js";
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

/** What a row of scores was bent by: (dScores, slopes, count), in place of dScores. */
const slopeRow = (module: ModuleBuilder): FunctionRef<undefined> =>
  module.once("attention slopes", () =>
    module.func({ params: ["i32", "i32", "i32"], result: undefined }, (body, cts, slopes, count) =>
      eachVector(body, count, [cts, slopes], (_, c, slope) =>
        body.do(v128.store(c, f32x4.mul(v128.load(c), v128.load(slope)))),
      ),
    ),
  );

const words = [
  "ct",
  "q",
  "k",
  "v",
  "position",
  "dq",
  "dk",
  "dv",
  "batches",
  "groups",
  "T",
  "S",
  "H",
  "G",
  "D",
  "kPanels",
  "vPanels",
  "weights",
  "cts",
  ...FORM_WORDS,
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

const gradientKernel = (form: Form): Kernel =>
  fixedKernel(`attention.vjp${form.key}`, words, (body, arg, args) => {
    const sizes = sizesOf(body, arg);
    const { T, S, D, H, G, qRow, kRow, scoreRow } = sizes;
    const { ct, q, k, v, position, dq, dk, dv, kPanels, vPanels, weights, cts } = arg;
    const bounds = { position, from: form.isBounded ? arg.from : undefined };
    const scoring = scoringOf(body, form, words, args, arg.slopes);
    const head = body.let(times4(D));
    const qSize = body.let(i32.mul(T, qRow));
    const kSize = body.let(i32.mul(S, kRow));

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

    body.times(arg.batches, () => {
      const [ctHead, qHead, dqHead, kHead, vHead, dkHead, dvHead] = [ct, q, dq, k, v, dk, dv].map((x) => body.let(x));
      body.times(arg.groups, () => {
        for (const start of [dkHead, dvHead]) {
          const row = body.let(start);
          body.times(S, () => {
            zeroRow(body, row, D);
            body.advance(row, kRow);
          });
        }
        packTransposed(body, kHead, sizes, kPanels);
        packTransposed(body, vHead, sizes, vPanels);
        body.times(i32.div_u(H, G), () => {
          eachBlock(body, sizes, bounds, (offset, now, rows) => {
            const slots = slotsOfBlock(body, now, rows, S);
            const { start, count } = slots;
            const [kNow, dkNow, dvNow] = [kHead, dkHead, dvHead].map((at) =>
              body.let(i32.add(at, i32.mul(start, kRow))),
            );
            const [ctNow, qNow, dqNow] = [ctHead, qHead, dqHead].map((start) => body.let(i32.add(start, offset)));
            blockWeights(body, sizes, { q: qNow, panels: kPanels, scores: weights, bounds: now, rows, slots, scoring });
            run(body, "columns", qRow, {
              a: ctNow,
              b: panelOf(vPanels, start, D),
              bStride: direct,
              bNext: i32.mul(D, direct),
              c: cts,
              cStride: scoreRow,
              m: rows,
              n: count,
              k: D,
              adds: 0,
            });
            const [w, c, slopes] = [weights, cts, arg.slopes].map((at) => body.let(at));
            body.times(rows, () => {
              body.run(softmaxGradientRow(body.module), w, c, count, scoring.scale);
              if (form.isCapped) body.run(slopeRow(body.module), c, slopes, count);
              for (const at of [w, c, slopes]) body.advance(at, scoreRow);
            });
            run(body, "columns", scoreRow, {
              a: cts,
              b: kNow,
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
            run(body, "rows", scoreRow, { a: cts, b: qNow, c: dkNow, ...toSlots });
            run(body, "rows", scoreRow, { a: weights, b: ctNow, c: dvNow, ...toSlots });
          });
          for (const start of [ctHead, qHead, dqHead]) body.advance(start, head);
        });
        for (const start of [kHead, vHead, dkHead, dvHead]) body.advance(start, head);
      });
      for (const tensor of [ct, q, dq]) body.advance(tensor, qSize);
      for (const tensor of [k, v, dk, dv]) body.advance(tensor, kSize);
      advanceBounds(body, bounds, times4(T));
    });
  });

/** Cotangents of q, k and v, one after the other; scores and weights are computed again, a block of rows at a time. */
export const launchAttentionGradient = (step: CallStep): Launch[] => {
  const { inputs, output } = step;
  const [ct, q, k, v, position, from] = inputs;
  const form = formOf(step, from);
  const [B, T, H, D] = q.shape;
  const [, S, G] = k.shape;
  if (sizeOf(output.shape) === 0) return [];
  const { panels, scores } = scratchOf(S, D);
  const places = [0, panels, 2 * panels, 2 * panels + scores].map((scratch) => ({ scratch }));
  const numbers: Word[] = [T, S, H, G, D, ...places];
  const [sizeQ, sizeK] = [q, k].map(({ shape }) => sizeOf(shape));
  const blocks = shares(B, G, 3 * attentionWork(B, T, S, H, D)).map(({ batch, batches, group, groups }): Word[] => {
    const atQ = batch * T * H * D + group * (H / G) * D;
    const atK = (batch * S * G + group) * D;
    return [
      ...[ct, q].map((view) => moved(startOf(view), atQ)),
      ...[k, v].map((view) => moved(startOf(view), atK)),
      moved(startOf(position), batch * T),
      ...[atQ, sizeQ + atK, sizeQ + sizeK + atK].map((at) => moved(startOf(output), at)),
      batches,
      groups,
      ...numbers,
      ...formWords(step, from, batch, 2 * (panels + scores)),
    ];
  });
  return [{ kernel: gradientKernel(form), blocks, scratch: 2 * (panels + scores) + (form.isCapped ? scores : 0) }];
};
