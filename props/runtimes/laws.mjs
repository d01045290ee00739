/**
 * Laws in headless Chromium: npm run laws:browser [-- NAME… --in plain|gpu|isolated --browser firefox --side-by-side 2]
 * Bundles every law file that asks nothing of Node (or those whose path holds a NAME), on the package as it is shipped where the
 * file asks for no more than that gives, and runs them in pages: plain ones, without isolation and without a GPU, on one thread; such
 * with a GPU, for laws on webgpu of the package as it is shipped; and isolated ones, on all cores and on navigator.gpu, with SwiftShader
 * under it. --in takes one of the three. Pages lie side by side
 * in as many browsers as there are cores. With --browser firefox it is the machine's own Firefox. FC_SEED replays, TAUGRAD_REACH
 * tries more. Prints a line a file, what failed, and how many laws of all that there are were tried; exits 1 if one failed, 3 where
 * there is no browser.
 */
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { buildBundles, root } from "../../build.mjs";
import { findAdapter } from "../adapter.mjs";
import { filesUnder } from "../bundle.mjs";
import { bundlePage, pageLaws } from "./page/bundle.mjs";
import { EXCEPT } from "./page/except.mjs";
import { hostOf } from "./page/host.mjs";
import { BROWSERS, openTab } from "./page/tabs.mjs";
import { tryAll } from "./page/tries.mjs";

/** A law's title starts or ends with its device. */
const ON_WEBGPU = /^webgpu\b|\bwebgpu\W*$/;
const WHERE = {
  plain: { what: "pages without isolation, one thread, no GPU", gpu: "none" },
  gpu: {
    ...{ what: "pages without isolation, navigator.gpu on SwiftShader", gpu: "swiftshader" },
    ...{ only: ON_WEBGPU, isShippedOnly: true },
  },
  isolated: { what: "isolated pages, all cores, navigator.gpu on SwiftShader", gpu: "swiftshader" },
};
/** No kernel reads workgroup memory that it has not written; SwiftShader takes seconds to compile the clearing of it. */
const ARGS = ["--enable-dawn-features=disable_workgroup_init"];

const refuse = (message, code = 2) => {
  console.error(`laws: ${message}`);
  process.exit(code);
};
const { values, positionals } = parseArgs({
  options: { in: { type: "string" }, browser: { type: "string" }, "side-by-side": { type: "string" } },
  allowPositionals: true,
});
for (const [name, known] of [
  ["in", WHERE],
  ["browser", BROWSERS],
])
  if (values[name] !== undefined && !Object.hasOwn(known, values[name]))
    refuse(`--${name} ${values[name]}: it is one of ${Object.keys(known).join(", ")}`);
const wanted = values.in === undefined ? Object.keys(WHERE) : [values.in];
const browsers = Number(values["side-by-side"] ?? Math.min(4, availableParallelism()));
if (!(Number.isInteger(browsers) && browsers > 0))
  refuse(`--side-by-side ${values["side-by-side"]}: it is a number of browsers`);

/** How many laws there are in all. */
const lawsInAll = async () => {
  const { env } = await findAdapter();
  const given = { env: { ...process.env, TAUGRAD_WEBGPU: "required", ...env } };
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, "props/runtimes/page/count.mjs")], given);
  return stdout.trim().split("\n").at(-1);
};

const began = performance.now();
const files = await pageLaws(positionals);
if (files.length === 0) refuse(`no law file that a page can run is named like ${positionals.join(", ")}`);
await buildBundles();
const { served, shipped } = await bundlePage(files);
const host = await hostOf(served);

const needed = new Set();
/** Laws that hold somewhere, by their files. */
const held = new Map();
let failures = 0;
for (const where of wanted) {
  const { what, gpu, only, isShippedOnly } = WHERE[where];
  const own = isShippedOnly ? shipped : files;
  host.isolate(where === "isolated");
  const from = performance.now();
  const count = { files: 0, held: 0, failed: 0, "left out": 0, webgpu: 0, shipped: 0 };
  const hear = (file, results, seconds) => {
    const said = [];
    if (results.length > 0) count.files += 1;
    for (const { name, error: told, skipped: asked } of results) {
      const row = EXCEPT.find((one) => one.file === file && one.name.test(name));
      if (row !== undefined && (told !== undefined || row.isEndless)) {
        said.push(`  left out: ${name}: ${row.why}`);
        needed.add(row);
      }
      const [error, skipped] = row === undefined ? [told, asked] : [undefined, row.why];
      if (error !== undefined) said.push(`✖ ${file}: ${name}\n  ${error.slice(0, 3000).replaceAll("\n", "\n  ")}`);
      count[error !== undefined ? "failed" : skipped !== undefined ? "left out" : "held"] += 1;
      if (error !== undefined || skipped !== undefined) continue;
      held.set(file, (held.get(file) ?? new Set()).add(name));
      if (ON_WEBGPU.test(name)) count.webgpu += 1;
      if (shipped.includes(file)) count.shipped += 1;
    }
    console.log(`${seconds.toFixed(1).padStart(5)} s  ${String(results.length).padStart(3)} laws  ${where}  ${file}`);
    for (const line of said) console.log(line);
  };
  const opened = async () => {
    const tab = await openTab({ browser: values.browser, gpu, args: gpu === "none" ? [] : ARGS });
    if (typeof tab === "string") refuse(`no page could be opened: ${tab}`, 3);
    return tab;
  };
  await tryAll({ files: own, only, kindOf: (file) => shipped.includes(file), host, opened, browsers, hear });
  failures += count.failed;
  console.log(
    `${what}: ${count.held} laws of ${count.files} files hold (${count.webgpu} on webgpu, ${count.shipped} on the package as it is shipped), ` +
      `${count.failed} fail, ${count["left out"]} are left out; ${Math.round((performance.now() - from) / 1000)} s\n`,
  );
}
host.close();
for (const row of wanted.includes("isolated") ? EXCEPT : [])
  if (files.includes(row.file) && !needed.has(row)) {
    failures += 1;
    console.log(`✖ ${row.file}: ${row.name} is left out (page/except.mjs), and holds: take it off that list`);
  }
const laws = [...held.values()].reduce((sum, names) => sum + names.size, 0);
const all = positionals.length === 0 ? `${await lawsInAll()} laws of ` : "";
console.log(
  `${laws} laws of ${held.size} files hold in pages, of ${all}${filesUnder("props", ".test.ts").length} files in all; ` +
    `all this took ${Math.round((performance.now() - began) / 1000)} s`,
);
process.exit(failures > 0 ? 1 : 0);
