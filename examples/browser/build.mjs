/**
 * Bundles the page into built/ and serves it: node examples/browser/build.mjs [PORT], after npm run build.
 * What is shipped is for Node: its devices import Node's modules, and shared memory. So a page needs a bundler that puts
 * node.js in their place, and two headers, without which a browser has no SharedArrayBuffer. One thread; no WebGPU yet.
 */
import { copyFileSync, createReadStream } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const node = ["crypto", "fs", "module", "os", "path", "timers", "v8", "worker_threads"];

/** Writes page.js and index.html into a folder that a static host may serve, with these headers. */
export const bundlePage = async (outdir = join(here, "built")) => {
  await build({
    entryPoints: [join(here, "page.ts")],
    outdir,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["webgpu"],
    alias: Object.fromEntries(node.map((name) => [`node:${name}`, join(here, "node.js")])),
    logOverride: { "ignored-bare-import": "silent" },
    inject: [join(here, "node.js")],
  });
  copyFileSync(join(here, "index.html"), join(outdir, "index.html"));
  return outdir;
};
export const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = await bundlePage();
  const port = Number(process.argv[2] ?? 8080);
  createServer(({ url }, response) => {
    const [name, type] = url === "/page.js" ? ["page.js", "text/javascript"] : ["index.html", "text/html"];
    response.writeHead(200, { "Content-Type": type, ...HEADERS });
    createReadStream(join(folder, name)).pipe(response);
  }).listen(port, () => console.log(`http://localhost:${port}`));
}
