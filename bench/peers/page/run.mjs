/**
 * taugrad and jax-js in the same tab, on WebAssembly and on navigator.gpu: node bench/peers/page/run.mjs [WORK…] [--rounds N] [--out FILE]
 * Each work, or those named, runs in a fresh page of headless Chromium that holds both engines, isolated (all cores) and not; they are warmed and take turns, N each
 * (9 by default). Prints a table of medians and ratios, which FILE gets too. Exits 1 if an engine fails, or if losses differ.
 * WebGPU is SwiftShader's, which computes on the processor.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildBundles, root } from "../../../build.mjs";
import { openTab } from "../../../props/runtimes/page/tabs.mjs";
import { gflops } from "../measure.mjs";

/** What each engine calls the device, and the graphics of the browser. */
const DEVICES = [
  { title: "WebAssembly", gpu: "none", of: { taugrad: "cpu", "jax-js": "wasm" } },
  { title: "WebAssembly, page not isolated", gpu: "none", of: { taugrad: "cpu", "jax-js": "wasm" }, isIsolated: false },
  { title: "WebGPU on SwiftShader", gpu: "swiftshader", of: { taugrad: "webgpu", "jax-js": "webgpu" } },
];
/** Works, and how a call of so many milliseconds is told. */
const WORKS = [
  { name: "regression", title: "regression, ms a step" },
  { name: "mlp", title: "MLP, ms a step" },
  { name: "tiny", title: "tiny Qwen2, ms a step" },
  { name: "matmul", title: "1024 × 1024 product, GFLOP/s", shown: gflops },
];

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "9" }, out: { type: "string" } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(`bench/peers: --rounds ${values.rounds}: must be an integer ≥ 1`);
  process.exit(2);
}
const wanted = WORKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (wanted.length === 0) {
  const known = WORKS.map(({ name }) => name).join(", ");
  console.error(`bench/peers: no work is named ${positionals.join(", ")}: ${known}`);
  process.exit(2);
}
const jax = join(root, "bench", "peers", "node_modules", "@jax-js", "jax");
if (!existsSync(jax)) {
  console.error("bench/peers: the engines to compare with are not installed: npm install --prefix bench/peers");
  process.exit(2);
}
await buildBundles();

/** Where a page without a bundler finds what neither engine has in its own files, and taugrad's own for browsers. */
const IMPORTS = {
  "#platform/": "/dist/browser/",
  "@jax-js/jax": "/bench/peers/node_modules/@jax-js/jax/dist/index.js",
  "@huggingface/tokenizers": "/node_modules/@huggingface/tokenizers/dist/tokenizers.mjs",
};
const PAGE = `<!doctype html><title>peers</title><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;
const isFile = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;
/** Without these a page has one thread. */
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
let headers = ISOLATED;
const server = createServer(({ url }, response) => {
  const file = join(root, url);
  const text = url === "/" ? PAGE : isFile(file) ? readFileSync(file) : undefined;
  const type = url === "/" ? "text/html" : "text/javascript";
  response.writeHead(text === undefined ? 404 : 200, { "Content-Type": type, ...headers }).end(text);
});
await new Promise((then) => server.listen(0, "127.0.0.1", then));

/** Milliseconds a call by engine, in a page of its own, or why there are none. */
const measured = async (tab, work, devices) => {
  await tab.visit(`http://127.0.0.1:${server.address().port}/`);
  const args = JSON.stringify([work, devices, rounds]).slice(1, -1);
  const call = `import("/bench/peers/page/tab.mjs").then(({ compared }) => compared(${args}))`;
  return tab.evaluate(call).catch(({ message }) => ({ error: message }));
};

const load = () => loadavg()[0].toFixed(1);
const lines = [];
const print = (line) => {
  console.log(line);
  lines.push(line);
};
const { version } = JSON.parse(readFileSync(join(jax, "package.json"), "utf8"));
let [header, isRight] = [undefined, true];
for (const { title: device, gpu, of, isIsolated = true } of DEVICES) {
  headers = isIsolated ? ISOLATED : {};
  const tab = await openTab({ gpu });
  if (typeof tab === "string") {
    console.error(`bench/peers: no page could be opened: ${tab}`);
    process.exit(2);
  }
  if (header === undefined) {
    header = `${cpus()[0]?.model}, ${availableParallelism()} cores (load ${load()} before), ${await tab.version()}, jax-js ${version}; ${rounds} turns each`;
    for (const line of [header, "", "| | taugrad | jax-js | |", "|---|---|---|---|"]) print(line);
  }
  for (const { name, title, shown = (ms) => ms } of wanted) {
    const { error, ...ms } = await measured(tab, name, of);
    if (error !== undefined) {
      console.error(`${device}, ${name}: ${error}`);
      isRight = false;
      continue;
    }
    const [own, other] = Object.values(ms);
    const cells = [own, other].map((x) => shown(x).toPrecision(3));
    print(`| ${device}: ${title} | ${cells.join(" | ")} | × ${(other / own).toPrecision(3)} |`);
  }
  await tab.close();
}
print(`\nLoad of the machine after: ${load()}.`);
server.close();
if (values.out !== undefined) writeFileSync(values.out, `${lines.join("\n")}\n`);
process.exit(isRight ? 0 : 1);
