/**
 * Laws in headless Chromium: npm run laws:browser [-- NAME… --alone]
 * Bundles every law file that asks nothing of Node (or those whose path holds a NAME) as the package is bundled for browsers, and
 * runs each in a page of its own: once without isolation and without a GPU, on one thread; once isolated, on all cores and on
 * navigator.gpu with SwiftShader under it. --alone leaves the second out. FC_SEED replays. Prints what failed, and how many laws
 * of all that there are were tried; exits 1 if one failed.
 */
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bundle, filesUnder } from "../bundle.mjs";
import { bundlePage, pageLaws } from "./page/bundle.mjs";
import { EXCEPT } from "./page/except.mjs";
import { hostOf, tried } from "./page/host.mjs";

const { values, positionals } = parseArgs({ options: { alone: { type: "boolean" } }, allowPositionals: true });
const files = await pageLaws(positionals);
if (files.length === 0) {
  console.error(`laws: no law file that a page can run is named like ${positionals.join(", ")}`);
  process.exit(2);
}
const { served } = await bundlePage(files);
const [driver] = await bundle(["props/lab/browser.ts"], ".laws");
const { openPage } = await import(pathToFileURL(driver).href);

const host = await hostOf(served);

let failures = 0;
for (const [where, gpu] of [
  ["a page without isolation, one thread, no GPU", "none"],
  ["an isolated page, all cores, navigator.gpu on SwiftShader", "swiftshader"],
].slice(0, values.alone ? 1 : 2)) {
  host.isolate(gpu !== "none");
  const page = await openPage({ gpu });
  if (typeof page === "string") {
    console.error(`laws: no page could be opened: ${page}`);
    process.exit(2);
  }
  const count = { passed: 0, failed: 0, skipped: 0, webgpu: 0 };
  for (const file of files) {
    for (const { name, error: told, skipped: asked } of await tried(page, host, file)) {
      const why = EXCEPT.find((row) => row.file === file && row.name.test(name))?.why;
      if (told !== undefined && why !== undefined) console.log(`left out: ${file}: ${name}: ${why}`);
      const [error, skipped] = why === undefined ? [told, asked] : [undefined, why];
      count[error !== undefined ? "failed" : skipped !== undefined ? "skipped" : "passed"] += 1;
      if (error === undefined && skipped === undefined && /webgpu/.test(name)) count.webgpu += 1;
      if (error !== undefined) console.log(`✖ ${file}: ${name}\n  ${error.slice(0, 1500).replaceAll("\n", "\n  ")}`);
    }
  }
  await page.close();
  failures += count.failed;
  console.log(
    `${where}: ${count.passed} laws of ${files.length} files hold (${count.webgpu} on webgpu), ${count.failed} fail, ${count.skipped} are left out`,
  );
}
host.close();
console.log(`${files.length} of ${filesUnder("props", ".test.ts").length} law files run in a page`);
process.exit(failures > 0 ? 1 : 0);
