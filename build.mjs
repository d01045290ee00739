/**
 * Builds dist/: one ES module a subpath export, the command line, and the types.
 *   node build.mjs [--no-types]
 * Shared code lies in dist/chunks, so that every subpath sees the same core, in Node as in browsers; what differs between them lies in
 * dist/node and dist/browser (build-seams.mjs). dist/meta.json is esbuild's metafile.
 */
import { spawn } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { MARK, marked, pureValues } from "./build-pure.mjs";
import { platformEntries, seams, writeStandIns } from "./build-seams.mjs";

export const root = dirname(fileURLToPath(import.meta.url));

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Options that the library, the tests and the benchmarks are bundled with. */
export const bundling = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  define: { TAUGRAD_VERSION: JSON.stringify(version) },
  legalComments: "none",
  // package.json says sideEffects: false. A bare import that this would drop is a mistake, not a warning.
  logOverride: { "ignored-bare-import": "error" },
  logLevel: "warning",
};

/** Subpath exports, and where they begin. */
export const ENTRIES = {
  index: "library/index.ts",
  optim: "optim/index.ts",
  models: "models/index.ts",
  align: "run/index.ts",
  devices: "kernels/index.ts",
  testing: "testing/index.ts",
};

/** Folders of the modules that programs are bundled with. */
const SHIPPED = ["core", "library", "kernels", "optim", "models", "align", "testing", "run"];

/** A chunk that is imported for nothing but that it runs: no module of the package does anything by running, and bundlers warn. */
const BARE = /(?<=^|[;\n])import"\.[^"]*";/g;

/** Bundles the library and the command line. Returns the metafile. */
export const buildBundles = async () => {
  await rm(join(root, "dist"), { recursive: true, force: true });
  const { metafile, outputFiles } = await build({
    ...bundling,
    entryPoints: { ...ENTRIES, cli: "cli/index.ts", ...platformEntries(root) },
    outdir: "dist",
    // Names stay, for stack traces, and what holds objects, since a GPU goes with the last reference.
    minifyWhitespace: true,
    lineLimit: 200, // Node prints the line that throws
    sourcemap: true,
    metafile: true,
    plugins: [seams, pureValues(SHIPPED, MARK)],
    write: false,
  });
  const texts = [];
  for (const { path, text } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    if (path.endsWith(".js")) texts.push(marked(text).replace(BARE, (found) => " ".repeat(found.length)));
    await writeFile(path, path.endsWith(".js") ? texts.at(-1) : text);
  }
  await writeStandIns(join(root, "dist"), texts);
  await writeFile(join(root, "dist", "meta.json"), JSON.stringify(metafile));
  await chmod(join(root, "dist", "cli.js"), 0o755);
  return metafile;
};

/** Writes what the table says of a training run's keys above each in its declarations, where an editor's hover finds it. */
const documentKeys = async () => {
  const outfile = join(root, "dist", "keys.mjs");
  await build({ ...bundling, splitting: false, entryPoints: ["run/options/table.ts"], outfile });
  const { keys } = await import(pathToFileURL(outfile).href);
  await rm(outfile);
  const declared = join(root, "dist", "types", "run", "options", "table.d.ts");
  const text = (await readFile(declared, "utf8")).replace(/^ {4}(\w+): /gm, (line, name) => {
    const { about, fallback } = keys[name];
    return `    /** ${about}${fallback === undefined ? "" : ` [${fallback}]`} */\n${line}`;
  });
  await writeFile(declared, text);
};

/** Removes declarations that no subpath's lead to: those of what lies behind the calls. */
const withoutHidden = async () => {
  const types = join(root, "dist", "types");
  const reached = new Set(Object.values(ENTRIES).map((entry) => join(types, entry.replace(/\.ts$/, ".d.ts"))));
  for (const path of reached)
    for (const [, target] of (await readFile(path, "utf8")).matchAll(/(?:from|import\()\s*"(\.[^"]+)\.js"/g))
      reached.add(join(dirname(path), `${target}.d.ts`));
  for (const entry of await readdir(types, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && !reached.has(path)) await rm(path);
  }
};

/** Writes dist/types with tsc, and with more of its `flags`. Resolves to tsc's exit code; its messages go to this process's output. */
export const buildTypes = (stdio = "inherit", flags = []) =>
  new Promise((resolve, reject) => {
    // Not bin/tsc: Node before 20.10 loads no module without an extension.
    const tsc = join(root, "node_modules", "typescript", "lib", "tsc.js");
    spawn(process.execPath, [tsc, "-p", "tsconfig.types.json", ...flags], { cwd: root, stdio })
      .on("error", reject)
      .on("exit", (code) =>
        code === 0
          ? documentKeys()
              .then(withoutHidden)
              .then(() => resolve(0), reject)
          : resolve(code),
      );
  });

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  await buildBundles();
  if (!process.argv.includes("--no-types")) process.exitCode = await buildTypes();
}
