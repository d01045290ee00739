/**
 * What takes the package, as a newcomer calls it: a new one is a row.
 * packages: what is installed beside it. build: arguments that make `out` of a page's folder; serve: those that serve it at a port.
 * loads: what is loaded first, where no HTML is written. pages: where not all of them. manifest, files: what has to be set, and
 * docs/browser.md tells of. test: runs one under `runner`, with `env`.
 */

const vite = {
  build: (page, out) => ["vite", "build", page, "--outDir", `../${out}`, "--emptyOutDir"],
  serve: (page, port) => ["vite", page, "--port", port, "--strictPort"],
};
/** Before version 8 a worker is one file unless it is told otherwise. */
const older = {
  ...vite,
  pages: ["page", "worker"],
  files: { "worker/vite.config.js": 'export default { worker: { format: "es" } };\n' },
};
/** Only what is measured is minified, which takes longest; what everything weighs is the page's own doing. */
const modeOf = (page) => (page === "page" ? "production" : "development");
/** A worker is an entry of its own, where nobody looks for one. */
const entries = (page) => [`${page}/index.js`, ...(page === "worker" ? ["worker/train.js"] : [])];

export const ROWS = [
  { name: "Vite", packages: ["vite"], ...vite },
  { name: "Vite 7", packages: ["vite@7"], ...older },
  { name: "Vite 5", packages: ["vite@5"], ...older },
  {
    name: "webpack",
    packages: ["webpack", "webpack-cli", "webpack-dev-server"],
    build: (page, out) => ["webpack", "--mode", modeOf(page), "--entry", `./${page}/index.js`, "-o", out],
    serve: (page, port) => [
      "webpack",
      "serve",
      "--mode",
      "development",
      "--entry",
      `./${page}/index.js`,
      "--port",
      port,
    ],
    loads: "main.js",
  },
  {
    name: "Rspack",
    packages: ["@rspack/core", "@rspack/cli"],
    build: (page, out) => ["rspack", "build", "--mode", modeOf(page), "--entry", `./${page}/index.js`, "-o", out],
    loads: "main.js",
  },
  {
    name: "esbuild",
    packages: ["esbuild"],
    build: (page, out) => [
      ...["esbuild", ...entries(page), "--bundle", "--minify", "--format=esm", "--splitting", `--outdir=${out}`],
    ],
    loads: "index.js",
  },
  {
    name: "esbuild, one file",
    packages: ["esbuild"],
    build: (page, out) => ["esbuild", `${page}/index.js`, "--bundle", "--target=es2020", `--outdir=${out}`],
    pages: ["page", "everything"],
    loads: "index.js",
  },
  {
    name: "Rollup",
    packages: ["rollup", "@rollup/plugin-node-resolve"],
    build: (page, out) => ["rollup", ...entries(page), "-p", "node-resolve={browser:true}", "-d", out],
    loads: "index.js",
  },
  {
    name: "Parcel",
    packages: ["parcel"],
    manifest: { "@parcel/resolver-default": { packageExports: true } },
    build: (page, out) => [
      ...["parcel", "build", `${page}/index.html`, "--dist-dir", out],
      ...(page === "worker" ? ["--no-scope-hoist"] : []),
    ],
  },
  {
    name: "Bun",
    packages: ["bun"],
    build: (page, out) => ["bun", "build", ...entries(page), "--splitting", "--minify", "--outdir", out],
    loads: "index.js",
  },
  {
    name: "Deno",
    packages: ["deno"],
    build: (page, out) => [
      ...["deno", "bundle", "--platform", "browser", "--code-splitting", "--minify", "--outdir", out, ...entries(page)],
    ],
    loads: "index.js",
  },
  { name: "no bundler", packages: [], pages: ["page"] },
  { name: "Vitest", packages: ["vitest"], runner: "vitest", test: ["vitest", "run"] },
  {
    name: "Jest",
    packages: ["jest"],
    runner: "@jest/globals",
    test: ["jest"],
    env: { NODE_OPTIONS: "--experimental-vm-modules --no-warnings" },
  },
];
