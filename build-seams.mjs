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

/** What a module of Node, or a package that only files need, is imported by: with .js, so that one row of an import map serves them all. */
const ownName = (module) => `#platform/${module.startsWith("node:") ? module.replace(":", "/") : `peer/${module}`}.js`;

const isPlatform = (path) => /[/\\]platform[/\\](node|browser)[/\\]/.test(path);

export const seams = {
  name: "seams",
  setup(on) {
    const root = on.initialOptions.absWorkingDir;
    const outside = (path) => ({ path, external: true, sideEffects: false });
    /** Of whom Node's modules are imported as they are: of its platform modules, and of the floors that browsers never load. */
    const isForNode = (path) => isPlatform(path) || /^(lab|run|cli)[/\\]/.test(relative(root, path));
    on.onResolve({ filter: /\/platform\/node\/[\w-]+\.js$/ }, ({ path }) =>
      outside(path.replace(/^.*\/platform\/node\//, "#platform/")),
    );
    // In platform modules: each other.
    on.onResolve({ filter: /^\.\/[\w-]+\.js$/ }, ({ path, importer }) =>
      isPlatform(importer) ? outside(path) : undefined,
    );
    on.onResolve({ filter: /^node:/ }, ({ path, importer }) =>
      isForNode(importer) ? undefined : outside(ownName(path)),
    );
    on.onResolve({ filter: PEERS }, ({ path, importer }) => (isForNode(importer) ? undefined : outside(ownName(path))));
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
 * Writes what stands for what the bundles import by such names: in browsers what refuses when it is used; where there are modules of
 * Node, what hands them on, since not everybody finds one that a row of "imports" names.
 */
export const writeStandIns = async (outdir, texts) => {
  const write = async (path, text) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${text}\n`);
  };
  const found = texts.flatMap((text) => [...text.matchAll(/"#platform\/((?:node|peer)\/[\w@/-]+)\.js"/g)]);
  for (const path of new Set(found.map(([, path]) => path))) {
    const module = path.replace(/^peer\//, "").replace(/^node\//, "node:");
    const absent = `${"../".repeat(path.split("/").length - 1)}absent.js`;
    const refusing = await absentModule(module, absent, importedIn(texts, ownName(module)));
    await write(join(outdir, "browser", `${path}.js`), refusing);
    if (!module.startsWith("node:")) continue;
    const own = "default" in (await import(module)) ? ` export { default } from "${module}";` : "";
    await write(join(outdir, "node", `${path}.js`), `export * from "${module}";${own}`);
  }
};
