/**
 * What makes bundles for browsers of the sources: platform modules of browsers in place of Node's, and, for what reads and
 * writes files, modules that refuse by name when something of them is used.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Packages that only what needs files loads; a bundler would look for them. */
export const PEERS = /^(@huggingface\/hub|hyparquet|hyparquet-compressors|franc|koffi)$/;
const ABSENT = "./models/platform/browser/absent.ts";

/** A value of Node's, by its kind: a function refuses, a table of constants is empty. */
const standIn = (module, name, value) =>
  typeof value === "function"
    ? `/*@__PURE__*/ absent(${JSON.stringify(module)}, ${JSON.stringify(name)})`
    : JSON.stringify(
        value !== null && typeof value === "object"
          ? Object.fromEntries(
              Object.keys(value)
                .filter((key) => typeof value[key] === "object")
                .map((key) => [key, {}]),
            )
          : value,
      );

/** The text of a module that stands for one of Node's; what is not used of it falls away. `from`: the path of absent.ts. */
export const absentModule = async (module, from, isWanted = () => true) => {
  const all = Object.entries(await import(module)).filter(([name]) => /^[a-z]\w*$/i.test(name) && name !== "default");
  const wanted = all.filter(([name]) => isWanted(name));
  // By names of their own: one of koffi's is "in", which no constant may be called.
  return [
    `import { absent } from "${from}";`,
    ...wanted.map(([name, value], i) => `const own${i} = ${standIn(module, name, value)};`),
    `export { ${wanted.map(([name], i) => `own${i} as ${name}`).join(", ")} };`,
  ].join("\n");
};

const stands = {
  name: "stands",
  setup(on) {
    const resolveDir = on.initialOptions.absWorkingDir;
    on.onResolve({ filter: /platform\/node\// }, ({ path, ...rest }) =>
      on.resolve(path.replace("platform/node/", "platform/browser/"), {
        ...{ kind: rest.kind, importer: rest.importer, resolveDir: rest.resolveDir },
      }),
    );
    for (const filter of [/^node:/, PEERS])
      on.onResolve({ filter }, ({ path }) => ({ path, namespace: "absent", sideEffects: false }));
    on.onLoad({ filter: /^/, namespace: "absent" }, async ({ path }) => ({
      contents: await absentModule(path, ABSENT),
      resolveDir,
    }));
  },
};

/** Options that go over those for Node. */
export const forBrowsers = {
  platform: "browser",
  target: "es2022",
  minify: true,
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
