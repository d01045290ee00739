import {
  broadcastTo,
  concat,
  gather,
  InputError,
  iota,
  maximum,
  rope,
  ShapeError,
  sameShape,
  scalar,
  sliceAxis,
  sub,
  type Tensor,
  typeOf,
} from "../core/index.js";
import type { ModelConfig } from "./config.js";
import { type LayerKind, ropeReach } from "./layer-kinds.js";
import type { RopeConfig } from "./rope.js";
import { type RopeTable, ropeTable } from "./rope-table.js";

/** Where the tokens of a call stand, as a layer sees it: position i32 [B, T], its first slot seen, and rotary angles. */
export interface Place extends Partial<RopeTable> {
  readonly position: Tensor;
  /** i32 [B, T]; undefined: they see all from the first. */
  readonly from?: Tensor;
}

/** A place for each kind of layer. */
export type Places = ReadonlyMap<LayerKind, Place>;

/** Tokens of a sequence that is still written: few enough for every rotary scaling (`checkLength` sees to it). */
const GROWING = 0;

/**
 * Where tokens stand for each kind of layer, of `slots` slots; `table` gives the angles of their positions, `starts` where
 * their sequences begin.
 */
const placesOf = (
  { kinds }: ModelConfig,
  position: Tensor,
  slots: number,
  table: (rope: RopeConfig) => RopeTable,
  starts: Tensor = scalar(0, "i32"),
): Places => {
  const angles = new Map<RopeConfig, RopeTable>();
  const anglesOf = (rope: RopeConfig): RopeTable => {
    const found = angles.get(rope) ?? table(rope);
    angles.set(rope, found);
    return found;
  };
  const one = ({ rope, window = slots }: LayerKind): Place => ({
    position,
    ...(window < slots
      ? { from: maximum(sub(position, scalar(window - 1, "i32")), starts) }
      : starts.shape.length > 0 && { from: starts }),
    ...(rope !== undefined && anglesOf(rope)),
  });
  return new Map([...new Set(kinds)].map((kind) => [kind, one(kind)]));
};

/** Tokens 0 … T−1 of every row; `isGrowing`: of sequences that others are added to. */
export const fromStart = (config: ModelConfig, B: number, T: number, isGrowing = false): Places =>
  placesOf(config, iota([B, T], 1), T, (rope) => {
    const table = ropeTable(rope, T, isGrowing ? GROWING : T);
    const rows = (angles: Tensor) => broadcastTo(angles, [B, ...angles.shape]);
    return { cosine: rows(table.cosine), sine: rows(table.sine) };
  });

/**
 * Tokens of rows that hold several sequences, which begin at `starts`.
 * Errors: ShapeError for starts of another shape; InputError for rows so long that longrope would take them for one sequence.
 */
export const fromStarts = (config: ModelConfig, ids: Tensor, starts: Tensor): Places => {
  const [B, T] = ids.shape;
  if (starts.dtype !== "i32" || !sameShape(starts.shape, ids.shape))
    throw new ShapeError(`transformer(${typeOf(ids)}, starts ${typeOf(starts)})`, "takes a first slot for each token");
  const over = ropeReach(config);
  if (T > over)
    throw new InputError(
      `rows of several sequences have ${T} tokens, and with longrope over original_max_position_embeddings (${over}) is not supported; make them shorter`,
    );
  const slot = iota([B, T], 1);
  const own = sub(slot, starts);
  const table = (rope: RopeConfig) => {
    const { cosine, sine } = ropeTable(rope, T, T);
    return { cosine: gather(cosine, own), sine: gather(sine, own) };
  };
  return placesOf(config, slot, T, table, starts);
};

/** Tokens at positions i32 [B, T] of sequences that are written into so many slots. */
export const atPositions = (config: ModelConfig, position: Tensor, slots: number): Places =>
  placesOf(config, position, slots, (rope) => {
    const table = ropeTable(rope, slots, GROWING);
    return { cosine: gather(table.cosine, position), sine: gather(table.sine, position) };
  });

/** Turns the first pairs of each head by their angles, and leaves the rest.  heads: [B, T, H, K]. */
export const turn = (heads: Tensor, { cosine, sine }: Place): Tensor => {
  if (cosine === undefined || sine === undefined) return heads;
  const [size, K] = [2 * cosine.shape[2], heads.shape[3]];
  if (size === K) return rope(heads, cosine, sine);
  return concat([rope(sliceAxis(heads, 3, 0, size), cosine, sine), sliceAxis(heads, 3, size, K)], 3);
};
