import { totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import type { Engine } from "../platform.js";

export const engine: Engine = {
  env: process.env,
  platform: `${process.platform}-${process.arch}`,
  version: process.version,
  memory: () => {
    const constrained = process.constrainedMemory?.() ?? 0;
    const total = totalmem();
    return constrained > 0 ? Math.min(constrained, total) : total;
  },
  // Node 20: V8 takes the flag at any time.
  unlockRelaxedSimd: () => setFlagsFromString("--experimental-wasm-relaxed-simd"),
};
