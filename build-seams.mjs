/**
 * Where the package's one bundle meets what differs from place to place: imports of platform modules, of Node's own and of packages
 * that only files need become imports by the package's own names ("imports" of package.json), by which Node, Deno, Bun and bundlers
 * for browsers each find theirs.
 */
import { readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { absentModule, PEERS } from "./build-browser.mjs";

/** Folders whose modules stand twice, in node/ and in browser/, under one name. */
const PLATFORMS = ["kernels/platform", "models/platform", "run/platform"];

/** Entry points: every platform module, as what it is imported by. */
export const platformEntries = (root) =>
  Object.fromEntries(
    PLATFORMS.flatMap((folder) => ["node", "browser"].map((place) => [`${folder}/${place}`, place])).flatMap(
      ([folder, place]) =>
        readdirSync(join(root, folder)).map((file) => [`${place}/${file.replace(/\.ts$/, "")}`, `${folder}/${file}`]),
    ),
  );

const isPlatform = (path) => /[/\\]platform[/\\](node|browser)[/\\]/.test(path);

export const seams = {
  name: "seams",
  setup(on) {
    const root = on.initialOptions.absWorkingDir;
    const outside = (path) => ({ path, external: true, sideEffects: false });
    /** Of whom Node's modules are imported as they are: of its platform modules, and of the floors that browsers never load. */
    const isForNode = (path) => isPlatform(path) || /^(lab|run|cli)[/\\]/.test(relative(root, path));
    on.onResolve({ filter: /\/platform\/node\/[\w-]+\.js$/ }, ({ path }) =>
      outside(path.replace(/^.*\/platform\/node\/(.*)\.js$/, "#platform/$1")),
    );
    // In platform modules: each other.
    on.onResolve({ filter: /^\.\/[\w-]+\.js$/ }, ({ path, importer }) =>
      isPlatform(importer) ? outside(path) : undefined,
    );
    on.onResolve({ filter: /^node:/ }, ({ path, importer }) =>
      isForNode(importer) ? undefined : outside(path.replace(/^node:/, "#node/")),
    );
    on.onResolve({ filter: PEERS }, ({ path, importer }) =>
      isForNode(importer) ? undefined : outside(`#node/${path}`),
    );
  },
};

/** Is a name of the module imported by one of these texts, whose blanks esbuild left out? Of all of it every name is. */
const importedIn = (texts, module) => {
  const clauses = texts.flatMap((text) =>
    text
      .split(`from"${module}"`)
      .slice(0, -1)
      .map((before) => before.split("import").at(-1)),
  );
  const isWhole =
    texts.some((text) => text.includes(`import("${module}")`)) || clauses.some((clause) => !/^\{.*\}$/.test(clause));
  const names = new Set(
    clauses.flatMap((clause) => clause.slice(1, -1).split(",")).map((name) => name.split(" as ")[0]),
  );
  return (name) => isWhole || names.has(name);
};

/**
 * Writes what stands for modules of Node that the bundles import: in browsers what refuses (browser/node/), in Deno, which takes no
 * bare name of one in "imports", the module itself (deno/).
 */
export const writeStandIns = async (outdir, texts) => {
  const write = async (path, text) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${text}\n`);
  };
  const found = new Set(
    texts.flatMap((text) => [...text.matchAll(/"#node\/([\w@/-]+)"/g)].map(([, module]) => module)),
  );
  for (const module of found) {
    const name = PEERS.test(module) ? module : `node:${module}`;
    const absent = `${"../".repeat(module.split("/").length)}absent.js`;
    const refusing = await absentModule(name, absent, importedIn(texts, `#node/${module}`));
    await write(join(outdir, "browser", "node", `${module}.js`), refusing);
    const own = "default" in (await import(name)) ? ` export { default } from "${name}";` : "";
    await write(join(outdir, "deno", `${module}.js`), `export * from "${name}";${own}`);
  }
};
