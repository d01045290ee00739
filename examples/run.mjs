/**
 * Runs an example on any Node from 20 on: node examples/run.mjs NAME, after npm run build. From Node 22.18 on, node
 * examples/NAME.ts does too.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const [name = ""] = process.argv.slice(2);
const folder = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const outfile = join(folder, "built", `${name}.mjs`);
await build({ entryPoints: [join(folder, `${name}.ts`)], outfile, format: "esm", target: "node20" });
await import(pathToFileURL(outfile).href);
