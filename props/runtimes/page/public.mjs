/** Laws on the package as it is shipped: whatever it gives by a name is taken from there, and not from the module that makes it. */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseSync } from "oxc-parser";
import { ENTRIES, root } from "../../../build.mjs";

const modules = new Map();
/** The exports of a module, by its path from the root: { exportName, importName, moduleRequest, localName } each; no types. */
const exportsOf = (file) => {
  if (!modules.has(file)) {
    const { module } = parseSync(file, readFileSync(join(root, file), "utf8"));
    const all = module.staticExports.flatMap(({ entries }) => entries).filter(({ isType }) => !isType);
    modules.set(file, all);
  }
  return modules.get(file);
};
const isAll = ({ exportName }) => exportName.kind === "None";
const leadsTo = (file, { moduleRequest }) => join(dirname(file), moduleRequest.value).replace(/\.js$/, ".ts");

const namesOf = (file) => [
  ...new Set(exportsOf(file).flatMap((one) => (isAll(one) ? namesOf(leadsTo(file, one)) : [one.exportName.name]))),
];

/** Where a module's export is declared: its file and its name there. */
const originOf = (file, name) => {
  const own = exportsOf(file).find(({ exportName }) => exportName.name === name);
  if (own !== undefined)
    return own.moduleRequest === null ? `${file} ${name}` : originOf(leadsTo(file, own), own.importName.name);
  for (const entry of exportsOf(file).filter(isAll)) {
    const found = originOf(leadsTo(file, entry), name);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** What the package gives, by where it is declared: the entry, and its name there. */
const given = () => {
  const found = new Map();
  for (const [entry, file] of Object.entries(ENTRIES))
    for (const name of namesOf(file)) {
      const from = entry === "index" ? "taugrad" : `taugrad/${entry}`;
      const origin = originOf(file, name);
      if (!found.has(origin)) found.set(origin, { from, name });
    }
  return found;
};

/** Laws, their tools, and of the sources what checks the tools' arguments: it keeps nothing, so that a second copy is no other. */
const isOwn = (file) =>
  (/^(props|testing)\//.test(file) && file !== ENTRIES.testing) ||
  ["core/expects.ts", "core/suggest.ts", "core/tree.ts"].includes(file);

/**
 * For esbuild: what laws import of the project's modules becomes imports of the package's entries, which are found by package.json.
 * A name that no entry gives is an error where it is imported.
 */
export const fromPackage = () => {
  const public_ = given();
  return {
    name: "from the package",
    setup(on) {
      const fromRoot = (path) => relative(root, path).replaceAll("\\", "/");
      on.onResolve({ filter: /^\.\.?\/.*\.js$/ }, ({ path, resolveDir, importer }) => {
        if (!isOwn(fromRoot(importer))) return undefined;
        const file = fromRoot(join(resolveDir, path)).replace(/\.js$/, ".ts");
        return isOwn(file) ? undefined : { path: file, namespace: "package" };
      });
      on.onLoad({ filter: /^/, namespace: "package" }, ({ path }) => {
        const lines = namesOf(path).map((name) => {
          const as = public_.get(originOf(path, name));
          return as === undefined ? "" : `export { ${as.name} as ${name} } from "${as.from}";`;
        });
        return { contents: lines.join("\n"), resolveDir: root };
      });
    },
  };
};
