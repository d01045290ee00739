/**
 * The package as it is shipped, in fresh projects of bundlers: npm run bundlers [-- NAME… --at DIR]
 * Packs it, installs it with each bundler of the registry into a temporary folder, or into DIR, which is kept, builds a page
 * without a configuration, and trains a regression in it, in headless Chromium: on cpu, and on navigator.gpu with SwiftShader
 * under it. Prints gzipped sizes of what each loads. Exits 1 for a warning, a failed build, or other weights than w ≈ [2, -1], b ≈ 0.5.
 */
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { root } from "../../build.mjs";
import { openTab } from "./page/tabs.mjs";

const INDEX = '<!doctype html><title>t</title><script type="module" src="./src/index.js"></script>\n';
/** What is installed, how a page is built of src/index.js, and what is then loaded first. A new bundler is a row. */
const BUNDLERS = [
  { name: "Vite", packages: ["vite"], build: ["vite", "build"], out: "dist" },
  {
    name: "webpack",
    packages: ["webpack", "webpack-cli"],
    build: ["webpack", "--mode", "production"],
    out: "dist",
    loads: "main.js",
  },
  {
    ...{ name: "esbuild", packages: ["esbuild"], out: "dist", loads: "index.js" },
    build: ["esbuild", "src/index.js", "--bundle", "--minify", "--format=esm", "--splitting", "--outdir=dist"],
  },
  {
    name: "Rollup",
    packages: ["rollup", "@rollup/plugin-node-resolve"],
    out: "dist",
    loads: "index.js",
    build: ["rollup", "src/index.js", "-p", "node-resolve={browser:true}", "-d", "dist"],
  },
];

const SOURCE = `
import { add, compile, grad, key, matmul, mean, mul, normal, read, square, sub, tensor, zeros } from "taugrad";
import { open } from "taugrad/devices";
import { hiddenStates, initParams, logits, parseConfig } from "taugrad/models";
import { adamW, onDare, onTies } from "taugrad/optim";

globalThis.uses = [hiddenStates, initParams, logits, parseConfig, onDare, onTies];
globalThis.train = async (name, options) => {
  const device = await open(name, options);
  const rule = adamW();
  const loss = ({ w, b }, x, y) => mean(square(sub(add(matmul(x, w), b), y)));
  const step = compile((state, x) => {
    const y = add(matmul(x, tensor([[2], [-1]])), 0.5);
    return rule.update(state, grad(loss)(state.params, x, y), { lr: 0.05 });
  }, device);
  let state = rule.init({ w: zeros([2, 1]), b: zeros([1]) });
  for (let t = 0; t < 200; t++) state = step(state, tensor([[0, 1], [1, 0], [1, 1], [2, 1]]));
  const found = [...(await read(state.params.w)), ...(await read(state.params.b))];
  await device.close();
  return found;
};
`;

const { values, positionals } = parseArgs({ options: { at: { type: "string" } }, allowPositionals: true });
const wanted = BUNDLERS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
if (wanted.length === 0) {
  console.error(
    `bundlers: none is named like ${positionals.join(", ")}: ${BUNDLERS.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
const home = values.at ?? mkdtempSync(join(tmpdir(), "taugrad-bundlers-"));
mkdirSync(home, { recursive: true });
const run = (file, args, cwd) =>
  promisify(execFile)(file, args, { cwd, env: { ...process.env, NO_COLOR: "1" }, timeout: 300_000 });
const packed = await run("npm", ["pack", "--pack-destination", home, "--loglevel=error"], root);
const tarball = join(home, packed.stdout.trim().split("\n").at(-1));

/** Files under a folder, by their paths from it. */
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => statSync(join(folder, name)).isFile());

/** A folder as a static host serves it; `asked` has the files that it was asked for. */
const served = async (folder) => {
  const asked = new Set();
  const server = createServer(({ url }, response) => {
    const name = url === "/" ? "index.html" : decodeURIComponent(url.slice(1));
    const file = join(folder, name);
    asked.add(name);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": file.endsWith(".html") ? "text/html" : "text/javascript" });
    return response.end(readFileSync(file));
  });
  await new Promise((then) => server.listen(0, "127.0.0.1", then));
  return { origin: `http://127.0.0.1:${server.address().port}/`, asked, close: () => server.close() };
};

let failed = false;
const fault = (name, what) => {
  failed = true;
  console.error(`${name}: ${what}`);
};
const isRight = (found) => Array.isArray(found) && [2, -1, 0.5].every((x, i) => Math.abs(found[i] - x) < 0.05);

for (const { name, packages, build, out, loads } of wanted) {
  const folder = join(home, name.toLowerCase());
  rmSync(join(folder, out), { recursive: true, force: true });
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  writeFileSync(join(folder, "src", "index.js"), SOURCE);
  if (loads === undefined) writeFileSync(join(folder, "index.html"), INDEX);
  try {
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...packages, tarball], folder);
  } catch (error) {
    console.log(
      `${name}: cannot be installed: ${
        String(error.stderr ?? error)
          .trim()
          .split("\n")[0]
      }`,
    );
    continue;
  }
  try {
    const { stdout, stderr } = await run(join(folder, "node_modules", ".bin", build[0]), build.slice(1), folder);
    const warning = `${stdout}\n${stderr}`.split("\n").find((line) => /warn|deprecat|\(!\)/i.test(line));
    if (warning !== undefined) fault(name, `the build warns: ${warning.trim()}`);
  } catch (error) {
    fault(name, `the build fails: ${String(error.stdout ?? "")}${String(error.stderr ?? error)}`.trim());
    continue;
  }
  if (loads !== undefined)
    writeFileSync(join(folder, out, "index.html"), INDEX.replace("./src/index.js", `./${loads}`));
  const files = filesIn(join(folder, out)).filter((file) => file.endsWith(".js"));
  const sizes = new Map(
    files.map((file) => [file, gzipSync(readFileSync(join(folder, out, file)), { level: 9 }).length]),
  );
  const sizeOf = (names) => [...names].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  const host = await served(join(folder, out));
  const told = [];
  for (const { device, gpu, options, as = device } of [
    { device: "cpu", gpu: "none" },
    { device: "webgpu", gpu: "swiftshader", as: "webgpu on an adapter that runs on the CPU" },
    { device: "webgpu", gpu: "swiftshader", options: { kernels: "gpu" }, as: "webgpu with the kernels of a GPU" },
  ]) {
    const tab = await openTab({ gpu });
    if (typeof tab === "string") {
      told.push(`${as}: no page: ${tab}`);
      continue;
    }
    host.asked.clear();
    await tab.visit(host.origin);
    const first = sizeOf(host.asked);
    const found = await tab.evaluate(`train("${device}", ${JSON.stringify(options)})`).catch(String);
    await tab.close();
    const own = sizeOf(host.asked) - first;
    if (isRight(found)) told.push(`${as} trains: ${first} bytes for the page, ${own} for the device`);
    else fault(name, `${as}: ${JSON.stringify(found)}`);
  }
  host.close();
  console.log(`${name}: ${told.join("; ")}; ${sizeOf(files)} in all`);
}
if (values.at === undefined) rmSync(home, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
