import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Kernel } from "../../kernels/webgpu/wgsl/module.js";
import { parseShaderStats, type ShaderStats } from "./shader-stats.js";

/** What stands before the line that ends one pipeline's part of stderr. */
export const AFTER = "@@ compiled ";

/** Does this process's driver tell what its compiler did? */
export const tellsStats = (): boolean => /\bshaderstats\b/.test(process.env.RADV_DEBUG ?? "");

/**
 * What the driver tells of each kernel, by its code; runs none. `program` is the bundle of compile.ts. Errors: Error, with the end
 * of what the driver wrote, if one does not compile; or if it tells nothing.
 */
export const statsOf = async (
  kernels: readonly Kernel[],
  program: string,
): Promise<ReadonlyMap<string, ShaderStats>> => {
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "inherit", "pipe"] });
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  child.stdin.on("error", () => {}); // its exit code says more
  child.stdin.end(JSON.stringify(kernels));
  const [code] = await once(child, "close");
  const parts = told.split(new RegExp(`^${AFTER}.*$`, "m"));
  if (code !== 0)
    throw new Error(`compiling ended with ${code} after ${parts.length - 2} kernels: ${told.slice(-2000)}`);
  const stats = new Map<string, ShaderStats>();
  for (const [i, kernel] of kernels.entries()) {
    const one = parseShaderStats(parts[i + 1]);
    if (one !== undefined) stats.set(kernel.code, one);
  }
  if (stats.size === 0)
    throw new Error("this driver tells nothing of its pipelines: set RADV_DEBUG=shaderstats under RADV");
  return stats;
};
