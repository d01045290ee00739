import type { Engine } from "../engine.js";
import type { Traits } from "../prepare.js";

/** What knows the kernels for such an adapter: no other kernels are loaded with it. */
export const engineFor = async ({ wide, features }: Pick<Traits, "wide" | "features">): Promise<Engine> => {
  if (!wide) return (await import("./software.js")).software;
  if (features.matrices.length === 0) return (await import("./gpu.js")).gpu;
  return (await import("./units.js")).units;
};
