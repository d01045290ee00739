import type { Digest } from "../digest.js";

/** The largest whole number whose `power` is at most n. */
const root = (n: bigint, power: bigint): bigint => {
  let found = 0n;
  for (let bit = 1n << 40n; bit > 0n; bit >>= 1n) if ((found | bit) ** power <= n) found |= bit;
  return found;
};

/** 32 bits after the point of the roots of the first primes, as FIPS 180-4 defines its constants. */
const bitsOfRoots = (count: number, power: bigint): Int32Array => {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    let divisor = 2;
    while (n % divisor !== 0) divisor++;
    if (divisor === n) found.push(Number(BigInt.asIntN(32, root(BigInt(n) << (32n * power), power))));
  }
  return Int32Array.from(found);
};
let constants: Int32Array | undefined;

/** Mixes one block of 64 bytes into the state. */
const mix = (state: Int32Array, K: Int32Array, words: Int32Array, block: DataView, at: number): void => {
  for (let i = 0; i < 16; i++) words[i] = block.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [words[i - 15], words[i - 2]];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
};

/**
 * Begins a sha256 (FIPS 180-4). A browser's own, `crypto.subtle.digest`, takes all bytes at once, and a checkpoint's may be more
 * than a tab's memory.
 */
export const sha256 = (): Digest => {
  constants ??= bitsOfRoots(64, 3n);
  const [state, K] = [bitsOfRoots(8, 2n), constants];
  const words = new Int32Array(64);
  const rest = new Uint8Array(64);
  const view = new DataView(rest.buffer);
  let length = 0;
  const update = (bytes: Uint8Array): void => {
    let at = Math.min(bytes.length, (64 - (length % 64)) % 64);
    rest.set(bytes.subarray(0, at), length % 64);
    const held = length % 64;
    length += bytes.length;
    if (held > 0 && held + at === 64) mix(state, K, words, view, 0);
    const blocks = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; at + 64 <= bytes.length; at += 64) mix(state, K, words, blocks, at);
    if (at < bytes.length) rest.set(bytes.subarray(at));
  };
  return {
    update,
    hex: () => {
      const bits = length * 8;
      const end = new Uint8Array((length % 64 < 56 ? 56 : 120) - (length % 64) + 8);
      end[0] = 0x80;
      const tail = new DataView(end.buffer, end.length - 8);
      tail.setUint32(0, Math.floor(bits / 2 ** 32));
      tail.setUint32(4, bits >>> 0);
      update(end);
      return Array.from(new Uint32Array(state.buffer), (x) => x.toString(16).padStart(8, "0")).join("");
    },
  };
};
