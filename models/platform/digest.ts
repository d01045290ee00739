/** A digest that grows with what it is given. */
export interface Digest {
  readonly update: (bytes: Uint8Array) => void;
  /** 64 hex digits; once. */
  readonly hex: () => string;
}
