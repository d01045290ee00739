/** Laws of the built package in a browser: it bundles without a word, needs no isolation, and computes the bits that Node does. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describeAdapters } from "../../../kernels/index.js";
import { webgpu } from "../../../kernels/platform/browser/webgpu.js";
import { projectRoot as root } from "../../golden/files.js";
import { openPage, type Page } from "../../lab/browser.js";
import { asked, built, evaluated, here, hosted } from "./host.js";

interface Told {
  readonly description: string;
  readonly found: Readonly<Record<string, string>>;
}
interface Lost {
  readonly told: string;
  readonly from: number;
  readonly weights: readonly number[];
}
type Numbers = { readonly numbersOf: (device: string, titles?: readonly string[]) => Promise<Told> };

let host: Awaited<ReturnType<typeof hosted>>;
let page: Page | string;
let program: Numbers;
let wanted: Told;
before(async () => {
  host = await hosted();
  program = (await import(pathToFileURL(join(here, "program.mjs")).href)) as Numbers;
  wanted = await program.numbersOf("cpu");
  page = await openPage();
});
after(async () => {
  host.close();
  if (typeof page === "object") await page.close();
});

for (const [path, where, call, isMany] of [
  ["/plain", "a page without isolation, on one thread", 'ask("cpu")', false],
  ["/isolated", "an isolated page, on all cores", 'ask("cpu")', true],
  ["/isolated", "a worker of an isolated page", 'askWorker("cpu")', true],
] as const)
  test(`cpu: ${where}: the bits of Node`, async (t) => {
    if (typeof page === "string") return t.skip(page);
    const cores = await asked(page, `${host.address}${path}`, "navigator.hardwareConcurrency");
    const told = (await asked(page, `${host.address}${path}`, call)) as Told;
    assert.deepEqual(told.found, wanted.found, JSON.stringify(told));
    const threads = isMany && cores !== 1 ? `${cores} threads` : "1 thread";
    assert.equal(told.description, `cpu (WebAssembly SIMD, ${threads})`);
  });

/** `npm run laws:browser` runs nearly half of all law files so; these two on the package as it is shipped, and on the sources. */
const SAMPLE = ["props/core/trees.test.ts", "props/core/half.test.ts"];

test("laws hold in a page as they do in Node: a sample of them", async (t) => {
  if (typeof page === "string") return t.skip(page);
  const of = (name: string) => import(pathToFileURL(join(root, "props", "runtimes", "page", name)).href);
  const [{ bundlePage }, { fresh, hostOf, tried }, { tabOf }] = await Promise.all(
    ["bundle.mjs", "host.mjs", "tabs.mjs"].map(of),
  );
  const { served, shipped } = await bundlePage(SAMPLE);
  assert.deepEqual(shipped, SAMPLE.slice(0, 1));
  const own = await hostOf(served);
  try {
    const tab = tabOf(page);
    await fresh(tab, own);
    for (const file of SAMPLE) {
      const results = (await tried(tab, file)) as { readonly name: string; readonly error?: string }[];
      assert.ok(results.length > 3, file);
      assert.deepEqual(
        results.filter(({ error }) => error !== undefined),
        [],
      );
    }
  } finally {
    own.close();
  }
});

test("a browser's own storage: a model from an address, trained, cut off, gone on with and saved is Node's undisturbed one", async (t) => {
  if (typeof page === "string") return t.skip(page);
  const model = `${host.address}/model/`;
  const { kept } = (await import(pathToFileURL(join(here, "keeping.mjs")).href)) as {
    readonly kept: (address: string) => Promise<object>;
  };
  const call = "navigator.storage.getDirectory().then((handle) => kept(new URL('/model', location), folderIn(handle)))";
  assert.deepEqual(await asked(page, `${host.address}/plain`, call), await kept(model));
});

test("a browser without an adapter says so, and auto takes cpu", async (t) => {
  if (typeof page === "string") return t.skip(page);
  const { error = "" } = (await asked(page, `${host.address}/plain`, 'ask("webgpu")')) as { error?: string };
  assert.match(error, /^DeviceError: webgpu: no adapter: .*\n {2}hint: turn hardware acceleration on/);
  assert.deepEqual(((await asked(page, `${host.address}/plain`, 'ask("auto")')) as Told).found, wanted.found);
});

/** A page with a GPU, or why there is none; opened once. */
let opening: Promise<Page | string> | undefined;
const withGpu = (): Promise<Page | string> => {
  opening ??= openPage({ gpu: "swiftshader" });
  return opening;
};
after(async () => {
  const own = await opening;
  if (typeof own === "object") await own.close();
});
const nodeHasSwiftShader = async (): Promise<boolean> =>
  /swiftshader/i.test(JSON.stringify((await describeAdapters())[0] ?? {}));

test("navigator.gpu, in a page and in a worker of one, computes the bits of Node's own on the same adapter [webgpu]", async (t) => {
  const titles = ["pointwise", "reduce", "regression"];
  const call = (name: string) => `${name}("webgpu", ${JSON.stringify(titles)})`;
  const at = await withGpu();
  if (typeof at === "string") return t.skip(at);
  const there = `${host.address}/plain`;
  const told = [await asked(at, there, call("ask")), await asked(at, there, call("askWorker"))] as Told[];
  for (const { description } of told)
    assert.match(description ?? JSON.stringify(told), /^webgpu: .*swiftshader.*, a software adapter/i);
  assert.deepEqual(told[1].found, told[0].found);
  if (!(await nodeHasSwiftShader())) return t.skip("Node has another adapter");
  assert.deepEqual(told[0].found, (await program.numbersOf("webgpu", titles)).found);
});

/** Begins a training that waits for its device to go away, and resolves once it does. */
const BEGIN = `new Promise((waits) => {
  const lose = () => new Promise((then) => { globalThis.lost = then; waits(); });
  globalThis.going = navigator.storage.getDirectory().then((handle) => losing(folderIn(handle).within("run"), lose));
  going.then(waits, waits);
})`;

test("a GPU process that dies in the middle of a training is told in a line, and the training ends with Node's bits [webgpu]", async (t) => {
  const at = await withGpu();
  if (typeof at === "string") return t.skip(at);
  await asked(at, `${host.address}/plain`, BEGIN);
  await at.send("Browser.crashGpuProcess");
  const { told, from, weights } = (await evaluated(at, "lost(); going")) as Lost;
  assert.match(told, /^DeviceLostError: webgpu: the device was lost \(\w+: .+\)\n {2}hint: open another one;.*$/);
  assert.equal(from, 3);
  if (!(await nodeHasSwiftShader())) return t.skip("Node has another adapter");
  const { losing } = (await import(pathToFileURL(join(here, "losing.mjs")).href)) as { losing: () => Promise<Lost> };
  assert.deepEqual(weights, (await losing()).weights);
});

test("what a browser does not see by itself it sees once the device is asked something, however long that takes", async () => {
  /** A device whose work is seen to be done at its submit of that number, with a number or an error, or after 20 ms; a mute one answers nothing. */
  const waited = async ([drawn, isMute]: readonly [number, boolean]) => {
    const at = isMute ? 0 : drawn;
    const calls: string[] = [];
    let answer = () => {};
    const promise = new Promise<number>((then, fail) => {
      answer = at % 2 === 0 ? () => then(at) : () => fail(at);
      if (at === 0) setTimeout(answer, 20);
    });
    const submits = () => calls.filter((name) => name === "submit").length;
    const submit = () => {
      calls.push("submit");
      if (submits() === at) answer();
    };
    const popErrorScope = () => {
      calls.push("pop");
      return isMute ? new Promise(() => {}) : Promise.resolve();
    };
    const device = { queue: { submit }, pushErrorScope: () => void calls.push("push"), popErrorScope };
    const found = webgpu.patiently(promise, device);
    assert.equal(await found.catch((failed: number) => failed), at);
    const count = submits();
    assert.deepEqual(calls, Array.from({ length: count }, () => ["submit", "push", "pop"]).flat(), "scopes are closed");
    if (isMute) assert.equal(count, 1);
    else if (at > 0) assert.ok(count === at || count === at + 1, `asked ${count} times, and done by the ${at}th`);
    else assert.ok(count >= 8 && count < 20, `asked ${count} times`);
  };
  const some = fc.array(fc.tuple(fc.integer({ min: 0, max: 11 }), fc.boolean()), { minLength: 1, maxLength: 6 });
  const all = fc.asyncProperty(some, async (ats) => void (await Promise.all(ats.map(waited))));
  await fc.assert(all, { numRuns: 10 });
  assert.equal(await webgpu.patiently(Promise.resolve(5)), 5);
});

test("what reads or writes files of the disk is refused by name in a browser, and told what there is instead", async () => {
  const both = 'export * as models from "taugrad/models"; export * as align from "taugrad/align";';
  const [text] = (await built(both, false)).files.values();
  const { models, align } = await import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
  for (const call of [models.loadModel, models.loadTokenizer, models.openSafetensors, models.readConfig])
    await assert.rejects(
      async () => call("folder"),
      /^InputError: folder: is a path, and a browser has none; folderAt/,
    );
  for (const call of [
    () => align.dpo({ model_name_or_path: "m", output_dir: "o", dataset_name: "d" }),
    () => align.readRows("file"),
  ])
    await assert.rejects(
      async () => call(),
      /^InputError: .*\b\w+ of (node:\w+|taugrad\/align) was called, and a browser has none/,
    );
});

/** What a page uses that trains a transformer by one of the optimizers, on whatever device. */
const USED = `import { compile, grad, matmul, mean, read, tensor } from "taugrad";
  import { open } from "taugrad/devices";
  import { hiddenStates, initParams, logits, parseConfig } from "taugrad/models";
  import { adamW, onDare, onTies } from "taugrad/optim";
  console.log(compile, grad, matmul, mean, read, tensor, open, adamW, onDare, onTies);
  console.log(hiddenStates, initParams, logits, parseConfig);`;

/** Files of a bundle with sizes, and which of them are loaded with one. */
const measured = async (contents: string) => {
  const { files, metafile } = await built(contents);
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
  const loadedWith = (file: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const { path, kind } of outputs.get(file)?.imports ?? [])
      if (kind === "import-statement") loadedWith(basename(path), seen);
    return seen;
  };
  const zipped = (names: Iterable<string>): number =>
    [...names].reduce((sum, name) => sum + gzipSync(files.get(name) as string, { level: 9 }).length, 0);
  return { files, outputs, loadedWith, zipped };
};

/** Issue 18 asks for 75 kB of engine, devices, optimizers and transformer: so much is there before a device is opened, and more with it. */
const MOST = { first: 42_500, cpu: 91_500, webgpu: 124_000, all: 163_000 };

test("a bundle for a page, gzipped: 43 kB of engine, optimizers and transformer, 92 with cpu, 124 with webgpu", async () => {
  const { files, outputs, loadedWith, zipped } = await measured(USED);
  const first = loadedWith("stdin.js");
  /** With the module that opens a device. */
  const withDevice = (opens: string): number => {
    const [file = ""] = [...outputs].find(([, { exports }]) => exports.includes(opens)) ?? [];
    assert.ok(!first.has(file) && files.has(file), `${opens} is not loaded when a device is opened`);
    return zipped(new Set([...first, ...loadedWith(file)]));
  };
  const sizes = {
    first: zipped(first),
    cpu: withDevice("openCpu"),
    webgpu: withDevice("openWebgpu"),
    all: zipped(files.keys()),
  };
  console.log(`gzipped: ${JSON.stringify(sizes)}`);
  for (const [name, most] of Object.entries(MOST))
    assert.ok(sizes[name as keyof typeof sizes] < most, `${name}: ${JSON.stringify(sizes)}`);
  for (const [name, text] of files) assert.doesNotMatch(text, /(from|import)\s*\(?["']node:/, name);
});

test("what a page does not use of a subpath it does not load: no value that a module makes for others is kept for nothing", async () => {
  const { loadedWith, zipped } =
    await measured(`import { isTensor } from "taugrad"; import { sgd } from "taugrad/optim";
    import { FAMILY_NAMES } from "taugrad/models"; console.log(isTensor);`);
  const size = zipped(loadedWith("stdin.js"));
  assert.ok(size < 2000, `${size} bytes`);
});
