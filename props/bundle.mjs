/** Bundles test and benchmark files into a folder that git ignores, where node can run them and find packages. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { bundling, root } from "../build.mjs";

/** Files under `folder` that end in `suffix`, as paths with slashes relative to the project root, in order. */
export const filesUnder = (folder, suffix) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(suffix))
    .sort();

/**
 * Bundles `files` flat into `outdir`, whatever room they are from; `js` stands before each. Returns the bundles' paths, in the
 * order of `files`.
 */
export const bundle = async (files, outdir, js = "") => {
  const names = files.map((file) =>
    file
      .replace(/^[^/]*\//, "")
      .replaceAll("/", "-")
      .replace(/\.ts$/, ""),
  );
  rmSync(join(root, outdir), { recursive: true, force: true });
  await build({
    ...bundling,
    entryPoints: files.map((file, index) => ({ in: file, out: names[index] })),
    outdir,
    banner: { js },
    chunkNames: "chunk-[hash]",
    sourcemap: "linked",
  });
  return names.map((name) => join(root, outdir, `${name}.js`));
};
