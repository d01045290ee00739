/** How many laws there are: node props/runtimes/page/count.mjs, with an adapter's environment. Loads every law file, and runs none. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { bundling, root } from "../../../build.mjs";
import { filesUnder } from "../../bundle.mjs";
import { shims } from "./bundle.mjs";

const outdir = join(root, ".laws", "counted");
const files = filesUnder("props", ".test.ts");
await build({
  ...{ ...bundling, entryPoints: files, outdir, outbase: root, plugins: [shims] },
  chunkNames: "[name]-[hash]",
});
let count = 0;
for (const file of files) {
  await import(pathToFileURL(join(outdir, file.replace(/\.ts$/, ".js"))).href);
  count += globalThis.laws.tests.splice(0).length;
}
rmSync(outdir, { recursive: true, force: true });
console.log(`\n${count}`);
process.exit(0); // what files have opened would keep it
