/** Law files for a page: bundled as the package is for browsers, with node:test and node:assert as a page can have them. */
import { join, relative } from "node:path";
import { build } from "esbuild";
import { bundling, root } from "../../../build.mjs";
import { forBrowsers } from "../../../build-browser.mjs";
import { filesUnder } from "../../bundle.mjs";

const here = join(root, "props", "runtimes", "page");
/** What stands for modules of Node, and which of its exports for the default one. */
const SHIMS = { "node:test": ["./test.mjs", "test"], "node:assert/strict": ["./assert.mjs", "strict"] };
const shims = {
  name: "shims",
  setup(on) {
    on.onResolve({ filter: /^node:(test|assert\/strict)$/ }, ({ path }) => ({ path, namespace: "shims" }));
    on.onLoad({ filter: /^/, namespace: "shims" }, ({ path }) => {
      const [file, name] = SHIMS[path];
      return { contents: `export * from "${file}"; export { ${name} as default } from "${file}";`, resolveDir: here };
    });
  },
};

/** Packages that are of Node's: laws with a bundler in their hands, or Dawn. */
const OF_NODE = new Set(["esbuild", "webgpu", "koffi"]);
/** What laws themselves, not what they are about, ask of Node beside a test runner: files, processes. None of it is in a page. */
const isOfNode = (path) => (path.startsWith("node:") && !Object.hasOwn(SHIMS, path)) || OF_NODE.has(path);

/** Rooms of commands, and of runs and reports from folders to folders: a page has none of what they speak of. */
const NOT_HERE = ["bench", "cli", "lab", "run"].map((room) => `props/${room}/`);

/** Test files, of those named or of all, whose own modules under props/ and testing/ ask nothing of Node. */
export const pageLaws = async (names = []) => {
  const all = filesUnder("props", ".test.ts").filter((file) => !NOT_HERE.some((room) => file.startsWith(room)));
  const { metafile } = await build({
    ...{
      ...bundling,
      splitting: false,
      outdir: "unused",
      write: false,
      metafile: true,
      bundle: true,
      logLevel: "silent",
    },
    entryPoints: all,
  });
  const { inputs } = metafile;
  const isOwn = (path) => path.startsWith("props/") || path.startsWith("testing/");
  const reaches = (file, seen) => {
    if (seen.has(file)) return false;
    seen.add(file);
    return (inputs[file]?.imports ?? []).some(({ path, external }) =>
      external ? isOfNode(path) : isOwn(path) && reaches(path, seen),
    );
  };
  const fits = all.filter((file) => !reaches(file, new Set()));
  return names.length === 0 ? fits : fits.filter((file) => names.some((name) => file.includes(name)));
};

/** The bundles by the path that a page loads them under; each file's own path leads to it. */
export const bundlePage = async (files) => {
  const outdir = join(root, ".laws");
  const { outputFiles } = await build({
    ...{ ...bundling, ...forBrowsers, minify: false, sourcemap: false },
    ...{
      entryPoints: [...files, join(here, "test.mjs")],
      outbase: root,
      outdir,
      plugins: [shims, ...forBrowsers.plugins],
    },
    packages: "bundle",
    target: "es2022",
  });
  const served = new Map(
    outputFiles.map(({ path, text }) => [`/${relative(outdir, path).replaceAll("\\", "/")}`, text]),
  );
  return { served };
};
