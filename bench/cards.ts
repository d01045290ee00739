/** What a card can do at most, by its maker: dense, at boost clock. */
export interface Card {
  readonly name: string;
  /** FLOP/s of f32 without matrix units. */
  readonly f32: number;
  /** FLOP/s of matrix units, f16 operands with f32 sums. */
  readonly matrix: number;
  /** Bytes a second from its memory. */
  readonly bandwidth: number;
}

const [T, G] = [1e12, 1e9];
export const CARDS = {
  h100: { name: "H100 SXM", f32: 66.9 * T, matrix: 989 * T, bandwidth: 3350 * G },
  h200: { name: "H200", f32: 66.9 * T, matrix: 989 * T, bandwidth: 4800 * G },
  a100: { name: "A100 80GB", f32: 19.5 * T, matrix: 312 * T, bandwidth: 2039 * G },
  rtx4090: { name: "RTX 4090", f32: 82.6 * T, matrix: 165.2 * T, bandwidth: 1008 * G },
  rtx3090: { name: "RTX 3090", f32: 35.6 * T, matrix: 71 * T, bandwidth: 936 * G },
  rx7900: { name: "RX 7900 XTX", f32: 61.4 * T, matrix: 122.8 * T, bandwidth: 960 * G },
} as const satisfies Record<string, Card>;

export type CardName = keyof typeof CARDS;
