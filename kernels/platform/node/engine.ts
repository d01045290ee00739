import { availableParallelism, totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { permitted } from "../../../core/permitted.js";
import type { Engine } from "../platform.js";

/** Bun and Deno say of which version of Node they are, and who they are beside it. */
const { bun, deno } = process.versions;
const own = bun !== undefined ? `Bun ${bun}` : deno !== undefined ? `Deno ${deno}` : undefined;

export const engine: Engine = {
  // A variable that may not be read is as one that is not set.
  env: new Proxy({}, { get: (_, name: string) => permitted(() => process.env[name], undefined) }),
  platform: `${process.platform}-${process.arch}`,
  version: own === undefined ? process.version : `${process.version} as ${own} has it`,
  memory: () => {
    const constrained = permitted(() => process.constrainedMemory?.(), 0) ?? 0;
    const total = permitted(totalmem, 4 * 2 ** 30);
    return constrained > 0 ? Math.min(constrained, total) : total;
  },
  cores: availableParallelism,
  // V8 since its compiler is Turboshaft; JavaScriptCore does not.
  keepsOrder: bun === undefined && Number.parseInt(process.versions.v8, 10) >= 13,
  // Node 20: V8 takes the flag at any time.
  unlockRelaxedSimd: () => setFlagsFromString("--experimental-wasm-relaxed-simd"),
};
