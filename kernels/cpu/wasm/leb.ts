/** Appends n as unsigned LEB128: seven bits a byte, low bits first. n: integer, 0 ≤ n < 2³². */
export const unsignedLeb = (n: number, out: number[]): void => {
  let rest = n >>> 0;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
};

/** Appends n as signed LEB128. n: integer, -2³¹ ≤ n < 2³¹. */
export const signedLeb = (n: number, out: number[]): void => {
  let rest = n | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && byte < 0x40) || (rest === -1 && byte >= 0x40)) {
      out.push(byte);
      return;
    }
    out.push(byte | 0x80);
  }
};
