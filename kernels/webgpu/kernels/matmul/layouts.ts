/** A workgroup of down × across subgroups, each of them tall × wide matrices of the product. */
export interface Layout {
  readonly down: number;
  readonly across: number;
  readonly tall: number;
  readonly wide: number;
  /** Workgroups that a core of a GPU runs beside one another. */
  readonly beside: number;
  /** Share of the fastest layout's speed, where there is work enough. */
  readonly rate: number;
}

/** From the fastest down. */
export const LAYOUTS: readonly Layout[] = [
  { down: 2, across: 4, tall: 4, wide: 2, beside: 2, rate: 1 },
  { down: 2, across: 2, tall: 2, wide: 2, beside: 4, rate: 0.6 },
  { down: 1, across: 4, tall: 1, wide: 1, beside: 4, rate: 0.4 },
];
