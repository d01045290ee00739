/** Laws of what a page loads: as docs/browser.md says, of the bundler whose bundles are largest; and without one. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { projectRoot as root } from "../golden/files.js";

/** Names that a page uses: engine, devices, transformer, optimizers. That of props/runtimes/bundlers/pages.mjs has them too. */
const PAGE = `
import { add, compile, grad, key, matmul, mean, mul, normal, read, square, sub, tensor, zeros } from "taugrad";
import { open } from "taugrad/devices";
import { hiddenStates, initParams, logits, parseConfig } from "taugrad/models";
import { adamW, onDare, onTies } from "taugrad/optim";
globalThis.uses = [add, compile, grad, key, matmul, mean, mul, normal, read, square, sub, tensor, zeros];
globalThis.uses.push(open, hiddenStates, initParams, logits, parseConfig, adamW, onDare, onTies);
`;

/** What is loaded beside the page, by the row of the document that tells of it: modules that are imported once they are needed. */
const ROWS: Readonly<Record<string, readonly string[]>> = {
  "engine, optimizers, transformer: before a device is opened": [],
  "… and with `cpu`": ["kernels/cpu/device.ts"],
  "… or with `webgpu`, on a GPU": ["kernels/webgpu/open.ts", "kernels/webgpu/engines/gpu.ts"],
  "… or with `webgpu`, on an adapter that runs on the CPU": [
    "kernels/webgpu/open.ts",
    "kernels/webgpu/engines/software.ts",
  ],
};

const guide = readFileSync(join(root, "docs", "browser.md"), "utf8");

/** kB that the document says of esbuild. */
const told = (row: string): number => {
  const line = guide.split("\n").find((one) => one.startsWith(`| ${row} |`));
  return Number(line?.split("|").at(-2));
};

test("a page loads as many kB as docs/browser.md says, within one more and three fewer; what only some adapters have use for is loaded with them", async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: PAGE, resolveDir: root },
    ...{ absWorkingDir: root, bundle: true, minify: true, format: "esm", splitting: true },
    ...{ outdir: "out", write: false, metafile: true },
  });
  const own = JSON.parse(readFileSync(join(root, "dist", "meta.json"), "utf8")) as typeof metafile;
  const sizes = new Map(
    outputFiles.map(({ path, contents }) => [
      path.slice(root.length + 1).replaceAll("\\", "/"),
      gzipSync(contents, { level: 9 }).length,
    ]),
  );
  const places = Object.keys(metafile.outputs);
  const placeOf = (source: string) =>
    places.find((place) => own.outputs[metafile.outputs[place]?.entryPoint ?? ""]?.entryPoint === source);
  const page = places.find((place) => metafile.outputs[place]?.entryPoint === "<stdin>");
  for (const [row, sources] of Object.entries(ROWS)) {
    const loaded = new Set([page, ...sources.map(placeOf)]);
    for (const place of loaded) {
      assert.ok(place !== undefined, `${row}: one of ${sources.join(", ")} is no chunk of its own`);
      for (const { path, kind } of metafile.outputs[place]?.imports ?? [])
        if (kind === "import-statement") loaded.add(path);
    }
    const bytes = [...loaded].reduce((sum, place) => sum + (sizes.get(place ?? "") ?? 0), 0);
    const over = bytes / 1000 - told(row);
    assert.ok(over < 1 && over > -3, `${row}: ${bytes} bytes, in ${[...loaded].join(", ")}`);
  }
});

test("the import map of docs/browser.md leads to every module that a page may ask for", () => {
  const [, text = ""] = /<script type="importmap">([^<]*)</.exec(guide) ?? [];
  const { imports } = JSON.parse(text) as { readonly imports: Readonly<Record<string, string>> };
  const own = /^\.\/node_modules\/taugrad\//;
  const fileOf = (address: string) => join(root, address.replace(own, ""));
  /** As browsers find it: the whole name, else the longest prefix. */
  const found = (name: string): string | undefined => {
    const prefix = Object.keys(imports).find((key) => key.endsWith("/") && name.startsWith(key));
    return imports[name] ?? (prefix && `${imports[prefix]}${name.slice(prefix.length)}`);
  };
  const places = new Set(Object.entries(imports).flatMap(([key, to]) => (key.endsWith("/") ? [] : [fileOf(to)])));
  const lost: string[] = [];
  for (const place of places) {
    assert.ok(existsSync(place), `${place} is missing`);
    for (const [, name = ""] of readFileSync(place, "utf8").matchAll(
      /(?:\bfrom|\bimport\(|\bimport) ?"([\w.@/#-]+)"/g,
    )) {
      const to = name.startsWith(".") ? join(dirname(place), name) : found(name);
      if (to === undefined) lost.push(name);
      else places.add(name.startsWith(".") ? to : fileOf(to));
    }
  }
  assert.ok(places.size > 50, `${places.size} modules`);
  assert.deepEqual(lost, []);
});
