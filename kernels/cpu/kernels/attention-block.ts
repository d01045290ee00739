import { scaleRow, zeroRow } from "../rows.js";
import type { F32, I32 } from "../wasm/expression.js";
import { type Body, call, type Local } from "../wasm/module.js";
import { f32, i32, select, times4 } from "../wasm/ops.js";
import type { Scoring } from "./attention-form.js";
import { BLOCK } from "./attention-shares.js";
import { capRow, inverseOf, softmaxRow } from "./attention-softmax.js";
import { packMatrix } from "./pack.js";
import { PANEL_BYTES, TILE, tileProduct } from "./tiles.js";

type Address = Local<"i32">;

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
  qRow: body.let(times4(i32.mul(H, D))),
  kRow: body.let(times4(i32.mul(G, D))),
  scoreRow: body.let(times4(i32.and(i32.add(S, i32.const(TILE.columns + 3)), i32.const(-4)))),
});

/** Where a query's bounds lie, or those of several one after the other. */
export interface Bounds {
  readonly position: Address;
  /** Absent: all queries see slots from the first on. */
  readonly from: Address | undefined;
}
export const boundsAt = (body: Body, { position, from }: Bounds): Bounds => ({
  position: body.let(position),
  from: from && body.let(from),
});
export const advanceBounds = (body: Body, { position, from }: Bounds, bytes: I32 | number): void => {
  for (const at of [position, from]) if (at !== undefined) body.advance(at, bytes);
};

/** A range of slots: its first, and how many. */
interface Slots {
  readonly start: I32;
  readonly count: Address;
}

/** Slots that a query sees. */
export const seenSlots = (body: Body, { position, from }: Bounds, S: Address): Slots => {
  const zero = i32.const(0);
  // Compared before one is added: the largest position would become the smallest.
  const count = body.let(i32.load(position));
  body.set(count, select(i32.add(count, i32.const(1)), S, i32.lt_s(count, S)));
  body.set(count, select(count, zero, i32.gt_s(count, zero)));
  if (from === undefined) return { start: zero, count };
  const start = body.let(i32.load(from));
  body.set(start, select(start, zero, i32.gt_s(start, zero)));
  body.set(start, select(start, count, i32.lt_s(start, count)));
  body.set(count, i32.sub(count, start));
  return { start, count };
};

/** Slots that the rows of a block see, from the start of a panel on. */
export const slotsOfBlock = (body: Body, bounds: Bounds, rows: Address, S: Address): Slots => {
  const least = body.let(S);
  const end = body.let(i32.const(0));
  const at = boundsAt(body, bounds);
  body.times(rows, () => {
    const { start, count } = seenSlots(body, at, S);
    body.if(count, () => {
      const next = body.let(i32.add(start, count));
      body.set(end, select(next, end, i32.gt_s(next, end)));
      body.set(least, select(start, least, i32.lt_s(start, least)));
    });
    advanceBounds(body, at, 4);
  });
  const start = body.let(i32.and(least, i32.const(-TILE.columns)));
  body.set(start, select(start, end, i32.lt_s(start, end)));
  return { start, count: body.let(i32.sub(end, start)) };
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

/** Blocks of query rows of one head: the block's first row of q-shaped tensors (bytes), its bounds, its rows. */
export const eachBlock = (
  body: Body,
  { T, qRow }: Sizes,
  bounds: Bounds,
  block: (offset: Address, bounds: Bounds, rows: Address) => void,
): void => {
  const offset = body.let(i32.const(0));
  const at = boundsAt(body, bounds);
  body.range(0, T, BLOCK, (t) => {
    const left = body.let(i32.sub(T, t));
    body.set(left, select(left, i32.const(BLOCK), i32.lt_s(left, i32.const(BLOCK))));
    block(offset, at, left);
    body.advance(offset, i32.mul(qRow, i32.const(BLOCK)));
    advanceBounds(body, at, 4 * BLOCK);
  });
};

/** A row of scores as it is: what `softmaxRow` scales it by then. */
export const capScores = (body: Body, { scale, cap }: Scoring, row: I32, slopes: I32, count: I32): F32 => {
  if (cap === undefined) return scale;
  body.run(capRow(body.module), row, slopes, count, cap.factor, cap.value);
  return f32.const(1);
};

/** Weights of a block, over the slots that it sees: scores and their softmax. */
export const blockWeights = (
  body: Body,
  sizes: Sizes,
  given: { q: I32; panels: Address; scores: Address; bounds: Bounds; rows: Address; slots: Slots; scoring: Scoring },
): void => {
  const { D, S, qRow, scoreRow } = sizes;
  const { q, panels, scores, bounds, rows, slots, scoring } = given;
  const row = i32.const(PANEL_BYTES);
  body.run(
    tileProduct(body.module, "columns"),
    q,
    qRow,
    panelOf(panels, slots.start, D),
    row,
    i32.mul(D, row),
    scores,
    scoreRow,
    rows,
    slots.count,
    D,
    i32.const(0),
  );
  const at = body.let(scores);
  const slopes = body.let(scoring.cap?.slopes ?? scores);
  const now = boundsAt(body, bounds);
  body.times(rows, () => {
    const scale = capScores(body, scoring, at, slopes, slots.count);
    const seen = seenSlots(body, now, S);
    const before = body.let(i32.const(0));
    if (bounds.from !== undefined) {
      body.if(seen.count, () => body.set(before, i32.sub(seen.start, slots.start)));
      zeroRow(body, at, before);
    }
    const first = body.let(i32.add(at, times4(before)));
    const total = call(softmaxRow(body.module), first, seen.count, i32.sub(slots.count, before), scale);
    scaleRow(body, at, slots.count, inverseOf(body, body.let(total)));
    body.advance(at, scoreRow);
    if (scoring.cap !== undefined) body.advance(slopes, scoreRow);
    advanceBounds(body, now, 4);
  });
};

/** The panel that begins with slot `start`, a multiple of its columns. */
export const panelOf = (panels: Address, start: I32, D: Address): I32 => i32.add(panels, times4(i32.mul(start, D)));
