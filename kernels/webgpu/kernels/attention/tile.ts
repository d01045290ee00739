/**
 * How a workgroup of `down` × `across` invocations works on a tile of scores: rows that it owns by columns that it passes over.
 * Each invocation has four rows by `each` columns of scores in registers, and of its rows' results up to `quads` groups of
 * four numbers. Head vectors pass through workgroup memory `depth` groups of four at a time.
 */
export interface Tile {
  readonly down: number;
  readonly across: number;
  readonly each: number;
  readonly quads: number;
  readonly depth: number;
}

/** Rows of one invocation: the components of a vector. */
export const ROWS = 4;

/** What a tile comes to; vectors of four are counted. */
export interface Measures extends Tile {
  readonly rows: number;
  readonly columns: number;
  readonly lanes: number;
  /** Results that a workgroup makes of a row; more are other workgroups'. */
  readonly width: number;
  /** Columns whose vectors lie in workgroup memory together while results are summed. */
  readonly chunk: number;
  /** From one depth to the next of staged rows, and of staged columns: padded, so that neighbours lie in other banks. */
  readonly rowPitch: number;
  readonly columnPitch: number;
  /** From one column's weights to the next. */
  readonly weightPitch: number;
  readonly stage: number;
  readonly weights: number;
}

/** The tile for heads of `quads` groups of four numbers. */
export const measure = (tile: Tile, quads: number): Measures => {
  const { down, across, each, depth } = tile;
  const [rows, columns] = [ROWS * down, each * across];
  const [rowPitch, columnPitch, weightPitch] = [rows + 2, columns + 2, down + 1];
  const own = Math.min(tile.quads, Math.ceil(quads / across));
  const width = own * across;
  const stage = Math.max(depth * (rowPitch + columnPitch), width);
  let chunk = columns;
  while (chunk * width > stage) chunk /= 2;
  return {
    ...{ ...tile, quads: own, rows, columns, lanes: down * across, width, chunk },
    ...{ rowPitch, columnPitch, weightPitch, stage, weights: columns * weightPitch },
  };
};

/** Of the kernels of queries: attention, dq. */
export const QUERIES: Tile = { down: 16, across: 8, each: 4, quads: 4, depth: 4 };
/** Of the kernel of keys, which sums up twice as much: dk and dv. */
export const KEYS: Tile = { down: 8, across: 16, each: 4, quads: 2, depth: 4 };

/**
 * On matrix units, which need more workgroup memory: twice the invocations share it. Where an adapter has no 28 KiB of it, half as
 * many rows or columns.
 */
export const UNIT_TILES: readonly { readonly queries: Tile; readonly keys: Tile }[] = [
  {
    queries: { down: 16, across: 16, each: 2, quads: 2, depth: 4 },
    keys: { down: 8, across: 32, each: 2, quads: 1, depth: 4 },
  },
  {
    queries: { down: 8, across: 16, each: 2, quads: 2, depth: 4 },
    keys: { down: 8, across: 16, each: 2, quads: 1, depth: 4 },
  },
];
