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
 * Entries "together:a,b" that evaluate the files a, b, … one after the other, and hold their tests until all stand: node's runner
 * would take the wait for a file's devices for the end, and run `after` hooks.
 */
const together = {
  name: "together",
  setup(on) {
    on.onResolve({ filter: /^together:/ }, ({ path }) => ({
      path: path.slice("together:".length),
      namespace: "together",
    }));
    on.onResolve({ filter: /^\.\//, namespace: "together" }, ({ path }) => ({
      path: join(root, path),
      sideEffects: true,
    }));
    on.onLoad({ filter: /^/, namespace: "together" }, ({ path }) => ({
      contents: [
        'import { allStand } from "./props/together.mjs";',
        ...path.split(",").map((file) => `import "./${file}";`),
        "allStand();",
      ].join("\n"),
      resolveDir: root,
    }));
  },
};

/**
 * Bundles `files` flat into `outdir`, whatever room they are from; `js` stands before each. A list of files among them becomes
 * one bundle, named after its first, that runs them in turn. Returns the bundles' paths, in the order of `files`.
 */
export const bundle = async (files, outdir, js = "") => {
  const names = files.map((file) =>
    [file]
      .flat()[0]
      .replace(/^[^/]*\//, "")
      .replaceAll("/", "-")
      .replace(/\.ts$/, ""),
  );
  rmSync(join(root, outdir), { recursive: true, force: true });
  await build({
    ...bundling,
    entryPoints: files.map((file, index) => ({
      in: Array.isArray(file) ? `together:${file.join()}` : file,
      out: names[index],
    })),
    plugins: [together],
    outdir,
    banner: { js },
    chunkNames: "chunk-[hash]",
    sourcemap: "linked",
  });
  return names.map((name) => join(root, outdir, `${name}.js`));
};
