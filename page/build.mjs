/**
 * Builds the page into page/dist, which any static host serves: npm run page [-- --serve PORT]
 * Its weights to begin with are trained here first, a minute on two cores; they are a function of the sources.
 */
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { bundling } from "../build.mjs";
import { forBrowsers, withoutBareImports } from "../build-browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Writes the page into a folder. `start`: where trained weights lie in it; `course`: another one than the page's own. */
export const buildPage = async ({ outdir, start, course }) => {
  mkdirSync(outdir, { recursive: true });
  const { outputFiles } = await build({
    ...bundling,
    ...forBrowsers,
    packages: "bundle",
    entryPoints: {
      ...{ main: "page/main.ts", style: "page/style/index.css" },
      ...{ "lab-worker": "page/lab/worker.ts", "model-worker": "page/model/worker.ts" },
    },
    outdir,
    define: {
      ...bundling.define,
      START: start === undefined ? "undefined" : JSON.stringify(start),
      SHORT_COURSE: course === undefined ? "undefined" : JSON.stringify(course),
    },
  });
  await withoutBareImports(outputFiles);
  for (const name of ["index.html", "icon.svg"]) copyFileSync(join(here, name), join(outdir, name));
};

/** Trains the weights that a page begins with, into a folder of it. */
const trainStart = async (outdir) => {
  const outfile = join(outdir, "train.mjs");
  const contents = 'export { writeStart } from "./lab/start.ts"; export { COURSE } from "./lab/settings.ts";';
  await build({ ...bundling, splitting: false, stdin: { contents, resolveDir: here }, outfile });
  const { writeStart, COURSE } = await import(pathToFileURL(outfile).href);
  rmSync(outfile);
  await writeStart(join(outdir, "start"), COURSE, (line) => console.log(line));
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outdir = join(here, "dist");
  rmSync(outdir, { recursive: true, force: true });
  await buildPage({ outdir, start: "start/" });
  await trainStart(outdir);
  const at = process.argv.indexOf("--serve");
  if (at < 0) console.log(`the page is in ${outdir}`);
  else {
    const { serve } = await import("./serve.mjs");
    const { port } = await serve(outdir, Number(process.argv[at + 1] ?? 8080));
    console.log(`http://localhost:${port}`);
  }
}
