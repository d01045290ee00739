/**
 * The package as it is shipped, in fresh projects: npm run bundlers [-- NAME… --at DIR]
 * Packs it, installs it beside what each row of rows.mjs names of the registry into a temporary folder, or into DIR, which is kept,
 * builds the pages of pages.mjs, serves them, and trains a regression in them, in headless Chromium: on cpu, and on navigator.gpu with
 * SwiftShader under it. Prints gzipped sizes of what a page loads. Exits 1 for a warning, a failed build or test, or other weights than
 * w ≈ [2, -1], b ≈ 0.5.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { root } from "../../../build.mjs";
import { openTab } from "../page/tabs.mjs";
import { runServer, served } from "./hosts.mjs";
import { isRight, PAGES, testUnder } from "./pages.mjs";
import { ROWS } from "./rows.mjs";

const { values, positionals } = parseArgs({ options: { at: { type: "string" } }, allowPositionals: true });
const wanted = ROWS.filter(({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
if (wanted.length === 0) {
  console.error(`bundlers: none is named like ${positionals.join(", ")}: ${ROWS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const home = values.at ?? mkdtempSync(join(tmpdir(), "taugrad-bundlers-"));
mkdirSync(home, { recursive: true });
const run = (file, args, cwd, env = {}) =>
  promisify(execFile)(file, args, { cwd, env: { ...process.env, NO_COLOR: "1", ...env }, timeout: 300_000 });
const packed = await run("npm", ["pack", "--pack-destination", home, "--loglevel=error"], root);
const tarball = join(home, packed.stdout.trim().split("\n").at(-1));

/** The import map of docs/browser.md, with which a page needs no bundler. */
const importMap = () =>
  /<script type="importmap">[^<]*<\/script>/.exec(readFileSync(join(root, "docs", "browser.md"), "utf8"))[0];

let failed = false;
const fault = (name, what) => {
  failed = true;
  console.error(`${name}: ${what}`);
};
const folderOf = ({ name }) => join(home, name.toLowerCase().replace(/\W+/g, "-"));
const write = (folder, files) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
};

/** Makes a row's project. Is it there? */
const install = async (row) => {
  const folder = folderOf(row);
  const pages = Object.entries(PAGES).flatMap(([page, files]) =>
    Object.entries(files).map(([name, text]) => [`${page}/${name}`, text]),
  );
  const manifest = JSON.stringify({ private: true, type: "module", ...row.manifest });
  write(folder, { "package.json": manifest, ...Object.fromEntries(pages), ...row.files });
  if (row.test !== undefined) write(folder, { "regression.test.js": testUnder(row.runner) });
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error", ...row.packages, "fast-check", tarball];
  try {
    await run("npm", args, folder);
    return true;
  } catch (error) {
    const [why] = String(error.stderr ?? error)
      .trim()
      .split("\n");
    console.log(`${row.name}: cannot be installed: ${why}`);
    return false;
  }
};

const program = (row, name) => join(folderOf(row), "node_modules", ".bin", name);
/** Runs what a row installed; a fault if it fails or warns of more than sizes. Did it go well? */
const ran = async (row, what, [name, ...args], env) => {
  try {
    const { stdout, stderr } = await run(program(row, name), args, folderOf(row), env);
    const isAbout = (line) =>
      /warn|deprecat|\(!\)/i.test(line) && !/size limit|experimental|chunks are larger/.test(line);
    const warning = `${stdout}\n${stderr}`.split("\n").find(isAbout);
    if (warning !== undefined) fault(row.name, `${what} warns: ${warning.trim()}`);
    return warning === undefined;
  } catch (error) {
    fault(row.name, `${what} fails: ${String(error.stdout ?? "")}${String(error.stderr ?? error)}`.trim());
    return false;
  }
};

/** Builds a row's pages. Resolves to what to visit: { row, what, open }, which resolves to { origin, asked?, close }. */
const visitsOf = async (row) => {
  const folder = folderOf(row);
  if (row.test !== undefined) {
    if (await ran(row, "the test", row.test, row.env)) console.log(`${row.name}: cpu trains in a test`);
    return [];
  }
  const found = [];
  for (const page of row.pages ?? Object.keys(PAGES)) {
    const out = row.build === undefined ? "." : `built-${page}`;
    if (row.build === undefined)
      write(folder, { "index.html": `${importMap()}\n${PAGES[page]["index.html"].replace("./", `./${page}/`)}` });
    else {
      rmSync(join(folder, out), { recursive: true, force: true });
      if (!(await ran(row, `the build of ${page}`, row.build(page, out)))) continue;
      if (row.loads !== undefined)
        write(join(folder, out), { "index.html": PAGES[page]["index.html"].replace("index.js", row.loads) });
    }
    if (page !== "everything") found.push({ row, what: page, out, open: () => served(join(folder, out)) });
  }
  if (row.serve === undefined) return found;
  if (row.loads !== undefined)
    write(join(folder, "public"), { "index.html": PAGES.page["index.html"].replace("index.js", row.loads) });
  return [
    ...found,
    ...["page", "worker"].map((page) => ({
      ...{ row, what: `${page}, from its server` },
      open: () => runServer((port) => [program(row, row.serve(page, port)[0]), row.serve(page, port).slice(1)], folder),
    })),
  ];
};

/** Gzipped bytes of a folder's modules, by their names. */
const sizesIn = (folder) =>
  new Map(
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith(".js") && statSync(join(folder, name)).isFile())
      .map((name) => [name, gzipSync(readFileSync(join(folder, name)), { level: 9 }).length]),
  );

const made = new Map();
const left = [...wanted];
const makeAll = async () => {
  for (let row = left.shift(); row !== undefined; row = left.shift())
    if (await install(row)) made.set(row, await visitsOf(row));
};
await Promise.all([makeAll(), makeAll()]);
const visits = wanted.flatMap((row) => made.get(row) ?? []);
/** `as`: on what; a page's size is all that is asked where `isMeasured`. */
for (const { device, gpu, options, as = device, isMeasured = false } of [
  { device: "cpu", gpu: "none" },
  { device: "webgpu", gpu: "swiftshader" },
  {
    device: "webgpu",
    gpu: "swiftshader",
    options: { kernels: "gpu" },
    as: "webgpu, a GPU's kernels",
    isMeasured: true,
  },
]) {
  const tab = await openTab({ gpu });
  if (typeof tab === "string") {
    fault(as, `no page: ${tab}`);
    continue;
  }
  for (const { row, what, out, open } of visits) {
    if (isMeasured && (what !== "page" || row.build === undefined)) continue;
    const host = await open();
    const sizes = what === "page" && row.build !== undefined ? sizesIn(join(folderOf(row), out)) : new Map();
    const loaded = () => [...host.asked].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    const found = await (async () => {
      await tab.visit(host.origin);
      const first = loaded();
      return [await tab.evaluate(`train("${device}", ${JSON.stringify(options)})`), first];
    })().catch((error) => [String(error)]);
    host.close();
    if (!isRight(found[0])) {
      fault(`${row.name}, ${what}, ${as}`, JSON.stringify(found[0]));
      continue;
    }
    const told = sizes.size > 0 ? `: ${found[1]} bytes for the page, ${loaded() - found[1]} for the device` : "";
    console.log(`${row.name}, ${what}: ${as} trains${told}`);
  }
  await tab.close();
}
if (values.at === undefined) rmSync(home, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
