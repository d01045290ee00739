/**
 * Bundles the page into built/ and serves it: node examples/browser/build.mjs [PORT], after npm run build.
 * The two headers are for all cores: without them a browser shares no memory, and the page runs on one thread.
 */
import { copyFileSync, createReadStream } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

/** Writes page.js and index.html into a folder that any static host may serve. */
export const bundlePage = async (outdir = join(here, "built")) => {
  await build({ entryPoints: [join(here, "page.ts")], outdir, bundle: true, minify: true, format: "esm" });
  copyFileSync(join(here, "index.html"), join(outdir, "index.html"));
  return outdir;
};
const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = await bundlePage();
  const port = Number(process.argv[2] ?? 8080);
  createServer(({ url }, response) => {
    const [name, type] = url === "/page.js" ? ["page.js", "text/javascript"] : ["index.html", "text/html"];
    response.writeHead(200, { "Content-Type": type, ...HEADERS });
    createReadStream(join(folder, name)).pipe(response);
  }).listen(port, () => console.log(`http://localhost:${port}`));
}
