import { createHash } from "node:crypto";
import type { Digest } from "../digest.js";

/** Begins a sha256. */
export const sha256 = (): Digest => {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
};
