import type { Values } from "../options.js";

/** `taugrad demo`: the package's main job on a world of its own. */
export const demoCommand = async ({ device, adapter, output_dir, seed }: Values<"demo">): Promise<void> => {
  const { runDemo } = await import("../demo/run.js");
  await runDemo({ device, adapter, outputDir: output_dir, seed });
};
