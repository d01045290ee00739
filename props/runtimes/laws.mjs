/**
 * Laws in headless Chromium: npm run laws:browser [-- NAME… --alone --browser firefox]
 * Bundles every law file that asks nothing of Node (or those whose path holds a NAME) as the package is bundled for browsers, and
 * runs each in a page of its own: once without isolation and without a GPU, on one thread; once isolated, on all cores and on
 * navigator.gpu with SwiftShader under it. --alone leaves the second out. With --browser firefox it is the
 * machine's own Firefox. FC_SEED replays. Prints what failed, and how many laws
 * of all that there are were tried; exits 1 if one failed.
 */
import { parseArgs } from "node:util";
import { filesUnder } from "../bundle.mjs";
import { bundlePage, pageLaws } from "./page/bundle.mjs";
import { EXCEPT } from "./page/except.mjs";
import { hostOf, tried } from "./page/host.mjs";
import { openTab } from "./page/tabs.mjs";

const { values, positionals } = parseArgs({
  options: { alone: { type: "boolean" }, browser: { type: "string" } },
  allowPositionals: true,
});
const files = await pageLaws(positionals);
if (files.length === 0) {
  console.error(`laws: no law file that a page can run is named like ${positionals.join(", ")}`);
  process.exit(2);
}
const { served } = await bundlePage(files);
const host = await hostOf(served);
const opened = async (gpu) => {
  const tab = await openTab({ browser: values.browser, gpu });
  if (typeof tab !== "string") return tab;
  console.error(`laws: no page could be opened: ${tab}`);
  process.exit(2);
};
/** Milliseconds that a file may take. */
const PATIENCE = 180_000;
/** What a file's laws came to. Errors: if it does not load, or end, or if it takes the browser with it. */
const inTime = (tab, file) => {
  let timer;
  const late = new Promise((_, not) => {
    timer = setTimeout(() => not(new Error(`it does not end within ${PATIENCE / 1000} s`)), PATIENCE);
  });
  return Promise.race([tried(tab, host, file), late]).finally(() => clearTimeout(timer));
};

const began = performance.now();
const needed = new Set();
const seconds = new Map(files.map((file) => [file, 0]));
let failures = 0;
for (const [where, gpu] of [
  ["a page without isolation, one thread, no GPU", "none"],
  ["an isolated page, all cores, navigator.gpu on SwiftShader", "swiftshader"],
].slice(0, values.alone ? 1 : 2)) {
  host.isolate(gpu !== "none");
  let tab = await opened(gpu);
  const count = { passed: 0, failed: 0, skipped: 0, webgpu: 0 };
  for (const file of files) {
    const from = performance.now();
    let results;
    try {
      results = await inTime(tab, file);
    } catch ({ message }) {
      results = [{ name: "the file", error: message }];
      await tab.close();
      tab = await opened(gpu);
    }
    seconds.set(file, seconds.get(file) + (performance.now() - from) / 1000);
    for (const { name, error: told, skipped: asked } of results) {
      const row = EXCEPT.find((one) => one.file === file && one.name.test(name));
      if (row !== undefined && (told !== undefined || row.isEndless)) {
        console.log(`left out: ${file}: ${name}: ${row.why}`);
        needed.add(row);
      }
      const [error, skipped] = row === undefined ? [told, asked] : [undefined, row.why];
      count[error !== undefined ? "failed" : skipped !== undefined ? "skipped" : "passed"] += 1;
      if (error === undefined && skipped === undefined && /webgpu/.test(name)) count.webgpu += 1;
      if (error !== undefined) console.log(`✖ ${file}: ${name}\n  ${error.slice(0, 3000).replaceAll("\n", "\n  ")}`);
    }
  }
  await tab.close();
  failures += count.failed;
  console.log(
    `${where}: ${count.passed} laws of ${files.length} files hold (${count.webgpu} on webgpu), ${count.failed} fail, ${count.skipped} are left out`,
  );
}
host.close();
for (const row of values.alone ? [] : EXCEPT)
  if (files.includes(row.file) && !needed.has(row)) {
    failures += 1;
    console.log(`✖ ${row.file}: ${row.name} is left out (page/except.mjs), and holds: take it off that list`);
  }
const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 5);
console.log(
  `${files.length} of ${filesUnder("props", ".test.ts").length} law files run in a page; all this took ` +
    `${Math.round((performance.now() - began) / 1000)} s, most of it ${slowest.map(([file, s]) => `${file} ${Math.round(s)} s`).join(", ")}`,
);
process.exit(failures > 0 ? 1 : 0);
