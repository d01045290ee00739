import { floatToHalf } from "../../core/storage/half.js";
import { valueBytes } from "../files/safetensors-write.js";
import { BLOCK, type GgufType } from "./format.js";

const PLAIN = { f32: "F32", f16: "F16", bf16: "BF16" } as const;

/** Numbers that are quantized at a time. */
const PIECE = BLOCK * 2 ** 15;

/** To the nearest integer, halves away from zero. */
const rounded = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

/**
 * Blocks of 32 numbers as 8-bit integers q behind an f16 scale d = max |x| / 127:  x ≈ d · q.
 * Source: `quantize_row_q8_0_ref` of ggml-org/ggml, which works in f32 as this does.
 */
export const quantizeQ8 = (data: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((data.length / BLOCK) * (BLOCK + 2));
  const view = new DataView(bytes.buffer);
  for (let [at, to] = [0, 0]; at < data.length; at += BLOCK, to += BLOCK + 2) {
    let most = 0;
    for (let i = 0; i < BLOCK; i++) most = Math.max(most, Math.abs(data[at + i]));
    const scale = Math.fround(most / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    view.setUint16(to, floatToHalf(scale, "f16"), true);
    for (let i = 0; i < BLOCK; i++) view.setInt8(to + 2 + i, rounded(Math.fround(data[at + i] * inverse)));
  }
  return bytes;
};

/** A tensor's bytes, piece by piece. */
export function* tensorPieces(data: Float32Array, type: GgufType): Generator<Uint8Array> {
  if (type !== "q8_0") yield* valueBytes(data, PLAIN[type]);
  else for (let at = 0; at < data.length; at += PIECE) yield quantizeQ8(data.subarray(at, at + PIECE));
}
