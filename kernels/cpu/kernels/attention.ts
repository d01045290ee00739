import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, floatWord, type Launch, moved, type Word } from "../launch.js";
import { exp } from "../math/f32.js";
import { eachVector, insideOr, scaleRow, sumOfLanes, zeroRow } from "../rows.js";
import { type F32, type I32, WORD } from "../wasm/expression.js";
import { type Body, call, type FunctionRef, type Local, type ModuleBuilder } from "../wasm/module.js";
import { f32, f32x4, i32, select, v128 } from "../wasm/ops.js";
import { attentionWork, BLOCK, scratchOf, shares } from "./attention-shares.js";
import { dotKernel } from "./dot.js";
import { packMatrix } from "./pack.js";
import { PANEL_BYTES, TILE, tileProduct } from "./tiles.js";

type Address = Local<"i32">;

/**
 * Softmax of one row of scores in place, over its first `visible` slots; the others up to `count` become 0:
 * (row, visible, count, scale) → Σ e^(scale·(x - max)), by which the row is not divided yet.
 */
export const softmaxRow = (module: ModuleBuilder): FunctionRef<"f32"> =>
  module.once("attention softmax", () =>
    module.func({ params: ["i32", "i32", "i32", "f32"], result: "f32" }, (body, row, visible, count, scale) => {
      const factor = body.let(f32x4.splat(scale));
      const most = body.let(f32x4.splatConst(Number.NEGATIVE_INFINITY));
      eachVector(body, visible, [row], (left, at) =>
        body.set(
          most,
          f32x4.pmax(most, insideOr(body, f32x4.mul(v128.load(at), factor), left, Number.NEGATIVE_INFINITY)),
        ),
      );
      const lanes = [0, 1, 2, 3].map((lane) => f32x4.extract_lane(most, lane));
      body.set(most, f32x4.splat(f32.max(f32.max(lanes[0], lanes[1]), f32.max(lanes[2], lanes[3]))));
      const total = body.let(f32x4.splatConst(0));
      // Rows have room for whole vectors, and what lies past the visible slots is cleared afterwards.
      eachVector(body, visible, [row], (left, at) => {
        const shifted = f32x4.sub(f32x4.mul(v128.load(at), factor), most);
        const e = insideOr(body, exp(body, shifted), left, 0);
        body.set(total, f32x4.add(total, e));
        body.do(v128.store(at, e));
      });
      const rest = i32.and(i32.add(visible, i32.const(3)), i32.const(-4));
      const start = body.let(rest);
      zeroRow(body, i32.add(row, i32.shl(start, i32.const(2))), i32.sub(count, start));
      body.return(sumOfLanes(body, total));
    }),
  );

/** Sizes and strides (bytes) that both directions of attention share. */
export interface Sizes {
  readonly T: Address;
  readonly S: Address;
  readonly D: Address;
  readonly H: Address;
  readonly G: Address;
  /** From one position of q, or of k, to the next. */
  readonly qRow: Address;
  readonly kRow: Address;
  /** From one row of a block's scores to the next: S rounded up to whole tiles. */
  readonly scoreRow: Address;
}

export const sizesOf = (body: Body, { T, S, D, H, G }: Pick<Sizes, "T" | "S" | "D" | "H" | "G">): Sizes => ({
  T,
  S,
  D,
  H,
  G,
  qRow: body.let(i32.shl(i32.mul(H, D), i32.const(2))),
  kRow: body.let(i32.shl(i32.mul(G, D), i32.const(2))),
  scoreRow: body.let(i32.shl(i32.and(i32.add(S, i32.const(TILE.columns + 3)), i32.const(-4)), i32.const(2))),
});

/** Slots that the query at `position` sees: 1 … S. */
export const visibleSlots = (body: Body, position: I32, S: Address): Address => {
  // Compared before one is added: the largest position would become the smallest.
  const count = body.let(i32.load(position));
  body.set(count, select(i32.add(count, i32.const(1)), S, i32.lt_s(count, S)));
  body.set(count, select(count, i32.const(1), i32.gt_s(count, i32.const(1))));
  return count;
};

/** The most that any row of a block sees. */
export const mostVisible = (body: Body, position: Address, rows: Address, S: Address): Address => {
  const most = body.let(i32.const(0));
  const at = body.let(position);
  body.times(rows, () => {
    const count = visibleSlots(body, at, S);
    body.set(most, select(count, most, i32.gt_s(count, most)));
    body.advance(at, 4);
  });
  return most;
};

/** Packs rows of one head, [S, D] with a stride, as panels of its transpose: [D, 8], one after the other. */
export const packTransposed = (body: Body, from: Address, { S, D, kRow }: Sizes, to: Address): void => {
  const pack = packMatrix(body.module);
  const target = body.let(to);
  const source = body.let(from);
  const left = body.let(S);
  body.repeat(() => {
    const width = select(left, i32.const(TILE.columns), i32.lt_s(left, i32.const(TILE.columns)));
    const row = i32.const(PANEL_BYTES);
    body.run(pack, source, i32.const(4), kRow, target, row, D, width, i32.const(TILE.columns));
    body.advance(source, i32.mul(kRow, i32.const(TILE.columns)));
    body.advance(target, i32.mul(D, row));
    body.advance(left, -TILE.columns);
    return i32.gt_s(left, i32.const(0));
  });
};

/** Blocks of query rows of one head: the block's first row of q-shaped tensors (bytes), its positions, its rows. */
export const eachBlock = (
  body: Body,
  { T, qRow }: Sizes,
  position: Address,
  block: (offset: Address, position: Address, rows: Address) => void,
): void => {
  const offset = body.let(i32.const(0));
  const at = body.let(position);
  body.range(0, T, BLOCK, (t) => {
    const left = body.let(i32.sub(T, t));
    body.set(left, select(left, i32.const(BLOCK), i32.lt_s(left, i32.const(BLOCK))));
    block(offset, at, left);
    body.advance(offset, i32.mul(qRow, i32.const(BLOCK)));
    body.advance(at, 4 * BLOCK);
  });
};

/** Scores and softmax of a block, rows unscaled; calls `row` with each row's sum. */
export const blockWeights = (
  body: Body,
  sizes: Sizes,
  given: { q: I32; panels: Address; scores: Address; position: Address; rows: Address; count: Address; scale: F32 },
  row: (scores: Address, total: Local<"f32">) => void,
): void => {
  const { D, S, qRow, scoreRow } = sizes;
  const { q, panels, scores, position, rows, count, scale } = given;
  const next = i32.mul(D, i32.const(PANEL_BYTES));
  const panelRow = i32.const(PANEL_BYTES);
  body.run(
    tileProduct(body.module, "columns"),
    q,
    qRow,
    panels,
    panelRow,
    next,
    scores,
    scoreRow,
    rows,
    count,
    D,
    i32.const(0),
  );
  const at = body.let(scores);
  const positions = body.let(position);
  body.times(rows, () => {
    const visible = visibleSlots(body, positions, S);
    row(at, body.let(call(softmaxRow(body.module), at, visible, count, scale)));
    body.advance(at, scoreRow);
    body.advance(positions, 4);
  });
};

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
  "scale",
  "panels",
  "scores",
] as const;

const attentionKernel = fixedKernel("attention", words, (body, arg, args) => {
  const sizes = sizesOf(body, arg);
  const { T, S, D, H, G, qRow, kRow, scoreRow } = sizes;
  const { q, k, v, position, out, panels, scores } = arg;
  const scale = body.let(f32.load(args, 12 * WORD));
  const head = body.let(i32.shl(D, i32.const(2)));
  const shared = body.let(i32.div_u(H, G));
  const isShort = body.let(i32.lt_s(i32.mul(T, shared), i32.const(TILE.rows)));

  /** out = weights · v over the visible slots, then one division a row. */
  const mix = (rows: I32, count: I32, vHead: Address, to: Address) =>
    body.run(
      tileProduct(body.module, "columns"),
      scores,
      scoreRow,
      vHead,
      kRow,
      i32.const(PANEL_BYTES),
      to,
      qRow,
      rows,
      D,
      count,
      i32.const(0),
    );
  const inverse = (total: F32) => body.let(f32x4.splat(f32.div(f32.const(1), total)));

  body.times(arg.batches, () => {
    const [qHead, kHead, vHead, outHead] = [q, k, v, out].map((tensor) => body.let(tensor));
    body.times(arg.groups, () => {
      body.if(i32.eqz(isShort), () => packTransposed(body, kHead, sizes, panels));
      body.times(shared, () => {
        body.if(
          isShort,
          // Few queries (generation): packing k would cost more than it saves.
          () => {
            const [qNow, to, at] = [qHead, outHead, position].map((start) => body.let(start));
            body.times(T, () => {
              const visible = visibleSlots(body, at, S);
              body.run(dotKernel(body.module), qNow, kHead, kRow, scores, D, visible);
              const total = body.let(call(softmaxRow(body.module), scores, visible, visible, scale));
              mix(i32.const(1), visible, vHead, to);
              scaleRow(body, to, D, inverse(total));
              body.advance(qNow, qRow);
              body.advance(to, qRow);
              body.advance(at, 4);
            });
          },
          () =>
            eachBlock(body, sizes, position, (offset, positions, rows) => {
              const count = mostVisible(body, positions, rows, S);
              const to = body.let(i32.add(outHead, offset));
              const given = { q: i32.add(qHead, offset), panels, scores, position: positions, rows, count, scale };
              blockWeights(body, sizes, given, (row, total) => scaleRow(body, row, count, inverse(total)));
              mix(rows, count, vHead, to);
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
    body.advance(position, i32.shl(T, i32.const(2)));
  });
});

export const launchAttention = ({ inputs: [q, k, v, position], attrs, output }: CallStep): Launch[] => {
  const [B, T, H, D] = q.shape;
  const [, S, G] = k.shape;
  const { panels, scores } = scratchOf(S, D);
  const numbers: Word[] = [T, S, H, G, D, floatWord(attrs.scale as number), { scratch: 0 }, { scratch: panels }];
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
    ];
  });
  return [{ kernel: attentionKernel, blocks, scratch: panels + scores }];
};
