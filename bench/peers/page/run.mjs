/**
 * taugrad and jax-js in the same browser's tabs, on WebAssembly and on navigator.gpu: node bench/peers/page/run.mjs [--rounds N]
 * Each work runs in a fresh isolated page of its own, the engines in turn, N times (3 by default); the median of each is printed,
 * and how many times faster taugrad is. The losses must agree. WebGPU is SwiftShader's: no GPU is at hand.
 */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { buildBundles, root } from "../../../build.mjs";
import { bundle } from "../../../props/bundle.mjs";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
const peers = join(root, "bench", "peers");
if (!existsSync(join(peers, "node_modules", "@jax-js", "jax"))) {
  console.error("bench/peers: the engines to compare with are not installed: npm install --prefix bench/peers");
  process.exit(2);
}
await buildBundles();
const [driver] = await bundle(["props/lab/browser.ts"], ".laws");
const { openPage } = await import(pathToFileURL(driver).href);

const ENGINES = ["taugrad", "jax-js"];
const WORKS = ["regression", "mlp", "tiny", "matmul"];
/** What each engine calls the two, and the graphics of the browser. */
const DEVICES = [
  { name: "WebAssembly", gpu: "none", of: { taugrad: "cpu", "jax-js": "wasm" } },
  { name: "WebGPU on SwiftShader", gpu: "swiftshader", of: { taugrad: "webgpu", "jax-js": "webgpu" } },
];
const TOLERANCE = 2e-3;

const JAX = "/bench/peers/node_modules/@jax-js/jax/dist/index.js";
/** A page that runs one work as Node would, and keeps what it tells. */
const PAGE = `<!doctype html><title>peers</title>
<script type="importmap">{ "imports": { "@jax-js/jax": "${JAX}" } }</script>
<script>
  const [engine, work, device] = location.hash.slice(1).split(",");
  globalThis.process = { argv: ["", "", work], env: { PEER_DEVICE: device }, exit: () => {} };
  globalThis.answer = (async () => {
    let told;
    const { log } = console;
    console.log = (line) => { told = line; log(line); };
    await import("/bench/peers/" + engine + ".mjs");
    return told;
  })();
</script>`;

const server = createServer(({ url }, response) => {
  const file = join(root, url.replace(/^\/dist\//, "/dist/browser/"));
  const text = url === "/" ? PAGE : existsSync(file) ? readFileSync(file) : undefined;
  const type = url === "/" ? "text/html" : url.endsWith(".wasm") ? "application/wasm" : "text/javascript";
  const isolated = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  response.writeHead(text === undefined ? 404 : 200, { "Content-Type": type, ...isolated });
  response.end(text);
});
await new Promise((then) => server.listen(0, "127.0.0.1", then));
const origin = `http://127.0.0.1:${server.address().port}/`;

/** The numbers of one work in a page of its own, or why there are none. */
const measured = async (engine, work, { gpu, of }) => {
  const page = await openPage({ gpu });
  if (typeof page === "string") return { error: page };
  try {
    const loaded = page.event("Page.loadEventFired");
    await page.send("Page.navigate", { url: `${origin}#${engine},${work},${of[engine]}` });
    await loaded;
    const call = { expression: "answer.catch((error) => '!' + error)", awaitPromise: true, returnByValue: true };
    const { result } = await page.send("Runtime.evaluate", call);
    const text = String(result.value);
    return text.startsWith("{") ? JSON.parse(text) : { error: text };
  } finally {
    await page.close();
  }
};

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores; ${values.rounds} rounds, engines in turn`);
for (const device of DEVICES)
  for (const work of WORKS) {
    const found = Object.fromEntries(ENGINES.map((engine) => [engine, []]));
    for (let round = 0; round < Number(values.rounds); round++)
      for (const engine of ENGINES) found[engine].push(await measured(engine, work, device));
    const failure = ENGINES.map((engine) => [engine, found[engine].find(({ error }) => error)?.error]).find(
      ([, why]) => why,
    );
    if (failure !== undefined) {
      console.log(`${device.name}, ${work}: ${failure[0]}: ${failure[1]}`);
      continue;
    }
    const [own, other] = ENGINES.map((engine) => found[engine][0].losses ?? []);
    const differs = own.some((loss, i) => !(Math.abs(loss - other[i]) <= TOLERANCE * Math.abs(loss)));
    if (differs) {
      console.error(`${device.name}, ${work}: losses ${other} where taugrad has ${own}`);
      process.exitCode = 1;
    }
    const [name] = Object.keys(found.taugrad[0]).filter((key) => /_step_ms$|gflops$/.test(key));
    const [mine, theirs] = ENGINES.map((engine) => median(found[engine].map((numbers) => numbers[name])));
    const times = name.endsWith("_ms") ? theirs / mine : mine / theirs;
    console.log(
      `${device.name}, ${name}: taugrad ${mine.toPrecision(3)}, jax-js ${theirs.toPrecision(3)}: × ${times.toPrecision(3)}`,
    );
  }
server.close();
process.exit();
