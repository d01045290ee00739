/**
 * What makes bundles for browsers of the sources: platform modules of browsers in place of Node's, and, for what reads and
 * writes files, modules of Node that refuse by name when something of them is used.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Packages that only what needs files loads; a bundler would look for them. */
const PEERS = /^(@huggingface\/hub|hyparquet|hyparquet-compressors|franc|koffi)$/;
/** Runs as functions (run/index.ts), from folders to folders. */
const RUNS = /^\.\/program\.js$/;
const GLOBALS = ["process", "Buffer"];

/** A value of Node's, by its kind: a function refuses, a table of constants is empty. */
const standIn = (name, value) =>
  typeof value === "function"
    ? `absent(${JSON.stringify(name)})`
    : JSON.stringify(
        value !== null && typeof value === "object"
          ? Object.fromEntries(
              Object.keys(value)
                .filter((key) => typeof value[key] === "object")
                .map((key) => [key, {}]),
            )
          : value,
      );

/** The text of a module whose exports refuse; what is not used of it falls away. */
const absentModule = (path, exports) =>
  [
    'import { InputError } from "./core/index.ts";',
    "const absent = (name) => function () {",
    `  throw new InputError(\`\${name} of ${path} was called, and a browser has none: this reads or writes files, run it in Node\`);`,
    "};",
    ...exports,
  ].join("\n");

const stands = {
  name: "stands",
  setup(on) {
    const root = on.initialOptions.absWorkingDir;
    on.onResolve({ filter: /platform\/node\// }, ({ path, ...rest }) =>
      on.resolve(path.replace("platform/node/", "platform/browser/"), {
        ...{ kind: rest.kind, importer: rest.importer, resolveDir: rest.resolveDir },
      }),
    );
    on.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "absent", sideEffects: false }));
    on.onResolve({ filter: PEERS }, ({ path }) => ({ path, namespace: "absent", sideEffects: false }));
    on.onResolve({ filter: /^globals-of-node$/ }, ({ path }) => ({ path, namespace: "absent", sideEffects: false }));
    on.onResolve({ filter: RUNS }, ({ path, importer }) =>
      importer === join(root, "run", "index.ts") ? { path, namespace: "absent", sideEffects: false } : undefined,
    );
    on.onLoad({ filter: RUNS, namespace: "absent" }, () => ({
      contents: absentModule("taugrad/align", ["export const programRun = (kind) => absent(kind)();"]),
      resolveDir: root,
    }));
    on.onLoad({ filter: /^globals-of-node$/, namespace: "absent" }, () => ({
      contents: absentModule(
        "Node",
        GLOBALS.map(
          (name) =>
            `export const ${name} = /* @__PURE__ */ new Proxy({ env: {} }, { get: (own, key) => own[key] ?? absent("${name}." + String(key))() });`,
        ),
      ),
      resolveDir: root,
    }));
    on.onLoad({ filter: /^/, namespace: "absent" }, async ({ path }) => {
      const all = Object.entries(await import(path)).filter(([name]) => /^\w+$/.test(name) && name !== "default");
      return {
        contents: absentModule(
          path,
          all.map(([name, value]) => `export const ${name} = /* @__PURE__ */ ${standIn(name, value)};`),
        ),
        resolveDir: root,
      };
    });
  },
};

/** Options that go over those for Node. */
export const forBrowsers = {
  platform: "browser",
  target: "es2022",
  minify: true,
  inject: ["globals-of-node"],
  plugins: [stands],
  write: false,
};

/**
 * Writes the files. Chunks that one imports for nothing but that they run are none of its business: no module of the package
 * does anything by running, and bundlers warn of such imports.
 */
export const withoutBareImports = async (files) => {
  for (const { path, text } of files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text.replace(/(?<=^|[;\n])import\s*"\.[^"]*";/g, ""));
  }
};
