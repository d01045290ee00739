/** Law files for a page: bundled as the package is for browsers, with node:test and node:assert as a page can have them. */
import { join, relative } from "node:path";
import { build } from "esbuild";
import { bundling, root } from "../../../build.mjs";
import { forBrowsers } from "../../../build-browser.mjs";
import { filesUnder } from "../../bundle.mjs";
import { fromPackage } from "./public.mjs";

const here = join(root, "props", "runtimes", "page");
/** What stands for modules of laws that read files, in pages. */
const GOLDEN = Object.fromEntries(
  ["files", "stored", "rows"].map((name) => [`props/golden/${name}.ts`, `props/runtimes/page/golden-${name}.mjs`]),
);
/** What stands for modules of Node, and which of its exports for the default one. */
const SHIMS = { "node:test": ["./test.mjs", "test"], "node:assert/strict": ["./assert.mjs", "strict"] };
export const shims = {
  name: "shims",
  setup(on) {
    on.onResolve({ filter: /^node:(test|assert\/strict)$/ }, ({ path }) => ({ path, namespace: "shims" }));
    on.onLoad({ filter: /^/, namespace: "shims" }, ({ path }) => {
      const [file, name] = SHIMS[path];
      return { contents: `export * from "${file}"; export { ${name} as default } from "${file}";`, resolveDir: here };
    });
  },
};

const golden = {
  name: "golden",
  setup(on) {
    on.onResolve({ filter: /\/(files|stored|rows)\.js$/ }, ({ path, resolveDir }) => {
      const own = GOLDEN[relative(root, join(resolveDir, path)).replaceAll("\\", "/").replace(/\.js$/, ".ts")];
      return own === undefined ? undefined : { path: join(root, own) };
    });
  },
};

/** Packages that are of Node's: laws with a bundler in their hands, or Dawn. */
const OF_NODE = new Set(["esbuild", "webgpu", "koffi"]);
/** What laws themselves, not what they are about, ask of Node beside a test runner: files, processes. None of it is in a page. */
const isOfNode = (path) => (path.startsWith("node:") && !Object.hasOwn(SHIMS, path)) || OF_NODE.has(path);

/** Rooms of commands, and of runs and reports from folders to folders: a page has none of what they speak of. */
const NOT_HERE = ["bench", "cli", "lab", "run"].map((room) => `props/${room}/`);

/** Does one of the modules of laws, from this on, fit? */
const isReached = (inputs, file, fits, seen = new Set()) => {
  if (seen.has(file)) return false;
  seen.add(file);
  if (Object.hasOwn(GOLDEN, file)) return fits(GOLDEN[file]);
  const isOwn = (path) => path.startsWith("props/") || path.startsWith("testing/");
  return (
    fits(file) ||
    (inputs[file]?.imports ?? []).some(({ path, external }) =>
      external ? fits(path) : isOwn(path) && isReached(inputs, path, fits, seen),
    )
  );
};
const unwritten = { ...bundling, outdir: "unused", write: false, metafile: true, logLevel: "silent" };

/** Test files of these that, bundled so, find every name that they import. */
const whole = async (files, plugins) => {
  const { metafile } = await build({ ...unwritten, entryPoints: files });
  const { errors } = await build({
    ...{ ...unwritten, packages: "bundle", external: ["node:*"], entryPoints: files, plugins },
    logOverride: { "import-is-undefined": "error" },
  }).catch((error) => error);
  const other = errors.find(({ text }) => !/^(No matching export in|Import) "/.test(text));
  if (other !== undefined) throw new Error(`${other.location?.file}: ${other.text}`);
  const asking = new Set(errors.map(({ location }) => location.file));
  return files.filter((file) => !isReached(metafile.inputs, file, (path) => asking.has(path)));
};

/** Test files, of those named or of all, whose own modules under props/ and testing/ ask nothing of Node. */
export const pageLaws = async (names = []) => {
  const all = filesUnder("props", ".test.ts").filter((file) => !NOT_HERE.some((room) => file.startsWith(room)));
  const { metafile } = await build({ ...unwritten, entryPoints: all });
  const fits = await whole(
    all.filter((file) => !isReached(metafile.inputs, file, isOfNode)),
    [golden],
  );
  return fits.filter((file) => names.length === 0 || names.some((name) => file.includes(name)));
};

/** Those of them that ask for nothing of the project but what the package gives: they can be tried on dist/, which must be built. */
const packaged = (files) => whole(files, [golden, fromPackage()]);

/**
 * The bundles by the path that a page loads them under; each file's own path leads to it. And the files that are bundled with the
 * package as it is shipped, found by package.json as any bundler does; the others look behind its entries, and have the sources.
 */
export const bundlePage = async (files) => {
  const outdir = join(root, ".laws");
  const shipped = await packaged(files);
  const shared = { ...bundling, outbase: root, outdir, packages: "bundle" };
  const served = new Map();
  for (const [kind, own, options, plugins] of [
    ["sources", files.filter((file) => !shipped.includes(file)), forBrowsers, forBrowsers.plugins],
    ["package", shipped, { platform: "browser", target: "es2022", write: false }, [fromPackage()]],
  ]) {
    const { outputFiles } = await build({
      ...{ ...shared, ...options, minify: false, sourcemap: false },
      ...{ chunkNames: `${kind}/[name]-[hash]`, plugins: [shims, golden, ...plugins] },
      entryPoints: [...own, join(here, "test.mjs")],
    });
    for (const { path, text } of outputFiles) served.set(`/${relative(outdir, path).replaceAll("\\", "/")}`, text);
  }
  return { served, shipped };
};
