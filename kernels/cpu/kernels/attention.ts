import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, type Kernel, type Launch, moved, type Word } from "../launch.js";
import { scaleRow } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import { call, type Local } from "../wasm/module.js";
import { i32, times4 } from "../wasm/ops.js";
import {
  advanceBounds,
  blockWeights,
  boundsAt,
  capScores,
  eachBlock,
  packTransposed,
  seenSlots,
  sizesOf,
  slotsOfBlock,
} from "./attention-block.js";
import { FORM_WORDS, type Form, formOf, formWords, scoringOf } from "./attention-form.js";
import { attentionWork, scratchOf, shares } from "./attention-shares.js";
import { inverseOf, softmaxRow } from "./attention-softmax.js";
import { dotKernel } from "./dot.js";
import { PANEL_BYTES, TILE, tileProduct } from "./tiles.js";

type Address = Local<"i32">;

const words = [
  "q",
  "k",
  "v",
  "position",
  "out",
  "batches",
  "groups",
  "T",
  "S",
  "H",
  "G",
  "D",
  "panels",
  "scores",
  ...FORM_WORDS,
] as const;

const attentionKernel = (form: Form): Kernel =>
  fixedKernel(`attention${form.key}`, words, (body, arg, args) => {
    const sizes = sizesOf(body, arg);
    const { T, S, D, H, G, qRow, kRow, scoreRow } = sizes;
    const { q, k, v, position, out, panels, scores } = arg;
    const bounds = { position, from: form.isBounded ? arg.from : undefined };
    const scoring = scoringOf(body, form, words, args, arg.slopes);
    const head = body.let(times4(D));
    const shared = body.let(i32.div_u(H, G));
    const isShort = body.let(i32.lt_s(i32.mul(T, shared), i32.const(TILE.rows)));

    /** out = weights · v over `count` slots from `start` on. */
    const mix = (rows: I32, start: I32, count: I32, vHead: Address, to: Address) =>
      body.run(
        tileProduct(body.module, "columns"),
        scores,
        scoreRow,
        i32.add(vHead, i32.mul(start, kRow)),
        kRow,
        i32.const(PANEL_BYTES),
        to,
        qRow,
        rows,
        D,
        count,
        i32.const(0),
      );

    body.times(arg.batches, () => {
      const [qHead, kHead, vHead, outHead] = [q, k, v, out].map((tensor) => body.let(tensor));
      body.times(arg.groups, () => {
        body.if(i32.eqz(isShort), () => packTransposed(body, kHead, sizes, panels));
        body.times(shared, () => {
          body.if(
            isShort,
            // Few queries (generation): packing k would cost more than it saves.
            () => {
              const [qNow, to] = [qHead, outHead].map((start) => body.let(start));
              const at = boundsAt(body, bounds);
              body.times(T, () => {
                const { start, count } = seenSlots(body, at, S);
                const keys = i32.add(kHead, i32.mul(start, kRow));
                body.run(dotKernel(body.module), qNow, keys, kRow, scores, D, count);
                const scale = capScores(body, scoring, scores, scoring.cap?.slopes ?? scores, count);
                const total = body.let(call(softmaxRow(body.module), scores, count, count, scale));
                mix(i32.const(1), start, count, vHead, to);
                scaleRow(body, to, D, inverseOf(body, total));
                body.advance(qNow, qRow);
                body.advance(to, qRow);
                advanceBounds(body, at, 4);
              });
            },
            () =>
              eachBlock(body, sizes, bounds, (offset, now, rows) => {
                const slots = slotsOfBlock(body, now, rows, S);
                const to = body.let(i32.add(outHead, offset));
                const given = { q: i32.add(qHead, offset), panels, scores, bounds: now, rows, slots, scoring };
                blockWeights(body, sizes, given);
                mix(rows, slots.start, slots.count, vHead, to);
              }),
          );
          body.advance(qHead, head);
          body.advance(outHead, head);
        });
        body.advance(kHead, head);
        body.advance(vHead, head);
      });
      body.advance(q, i32.mul(T, qRow));
      body.advance(out, i32.mul(T, qRow));
      for (const tensor of [k, v]) body.advance(tensor, i32.mul(S, kRow));
      advanceBounds(body, bounds, times4(T));
    });
  });

export const launchAttention = (step: CallStep): Launch[] => {
  const { inputs, output } = step;
  const [q, k, v, position, from] = inputs;
  const form = formOf(step, from);
  const [B, T, H, D] = q.shape;
  const [, S, G] = k.shape;
  const { panels, scores } = scratchOf(S, D);
  const numbers: Word[] = [T, S, H, G, D, { scratch: 0 }, { scratch: panels }];
  const blocks = shares(B, G, attentionWork(B, T, S, H, D)).map(({ batch, batches, group, groups }): Word[] => {
    const atQ = batch * T * H * D + group * (H / G) * D;
    const atK = (batch * S * G + group) * D;
    return [
      moved(startOf(q), atQ),
      moved(startOf(k), atK),
      moved(startOf(v), atK),
      moved(startOf(position), batch * T),
      moved(startOf(output), atQ),
      batches,
      groups,
      ...numbers,
      ...formWords(step, from, batch, panels + scores),
    ];
  });
  return [{ kernel: attentionKernel(form), blocks, scratch: panels + scores + (form.isCapped ? scores : 0) }];
};
