/** Laws of the package as a stranger gets it: what is in it, what importing it costs, whether its types stand alone. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { projectRoot as root } from "../golden/files.js";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>;
  readonly dependencies: Record<string, string>;
};
const subpaths = Object.keys(manifest.exports).filter((path) => path !== "./package.json");
const specifiers = subpaths.map((path) => `taugrad${path.slice(1)}`);

/** Runs node in `cwd` as a user would: without the test runner's environment. Rejects unless it exits 0. */
const node = async (args: readonly string[], cwd = root): Promise<string> => {
  const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined };
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env });
  return stdout;
};

/** The native modules in memory after importing `modules`. */
const nativeModules = async (modules: readonly string[]): Promise<string[]> => {
  const source = `
    for (const name of ${JSON.stringify(modules)}) await import(name);
    process.report.excludeNetwork = true;
    console.log(JSON.stringify(process.report.getReport().sharedObjects.filter((path) => path.endsWith(".node"))));
    process.exit(0);`;
  return JSON.parse(await node(["--input-type=module", "-e", source])) as string[];
};

test("importing every subpath loads no native code", async () => {
  assert.deepEqual(specifiers, ["taugrad", "taugrad/optim", "taugrad/models", "taugrad/align", "taugrad/devices"]);
  assert.deepEqual(await nativeModules(specifiers), []);
});

test("… and native code would have been seen", async () => {
  const found = await nativeModules(["webgpu"]);
  assert.equal(found.length, 1, found.join(", "));
});

test("every export has its module and its types", () => {
  for (const [path, target] of Object.entries(manifest.exports)) {
    for (const file of typeof target === "string" ? [target] : Object.values(target)) {
      assert.ok(existsSync(join(root, file)), `${path}: ${file} is missing from the build`);
    }
  }
});

test("the three runtime dependencies, and no more", () => {
  assert.deepEqual(Object.keys(manifest.dependencies).sort(), ["@huggingface/tokenizers", "webgpu", "yaml"]);
});

test("the lock file names no registry and covers the three systems", () => {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  assert.doesNotMatch(lock, /"resolved":/);
  for (const system of ["linux-x64", "darwin-arm64", "win32-x64"]) {
    for (const name of ["@biomejs/cli", "@esbuild/", "@oxc-parser/binding", "@typescript/typescript"]) {
      const start = `"node_modules/${name}${name.endsWith("/") ? "" : "-"}${system}`;
      assert.ok(lock.includes(start), `package-lock.json has no ${start}…": npm install left it out`);
    }
  }
});

test("the command line starts with a shebang", () => {
  assert.match(readFileSync(join(root, "dist", "cli.js"), "utf8"), /^#!\/usr\/bin\/env node\n/);
});

test("npm pack ships dist, the licence and the example configs, no sources and no tests", async () => {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  // Under npm test npm says where it is; a bare run finds it on the path, on Windows through the shell.
  const packed =
    npm === undefined
      ? (await promisify(execFile)("npm", args, { cwd: root, shell: process.platform === "win32" })).stdout
      : await node([npm, ...args]);
  const [{ files }] = JSON.parse(packed) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const file of ["LICENSE", "package.json", "dist/index.js", "dist/cli.js", "dist/types/library/index.d.ts"]) {
    assert.ok(paths.includes(file), `${file} is not packed`);
  }
  const strays = paths.filter((path) => !/^(dist\/|configs\/|LICENSE$|README\.md$|package\.json$)/.test(path));
  assert.deepEqual([...strays, ...paths.filter((path) => path.endsWith("meta.json"))], []);
});

test("the types stand alone: nothing in them is an error to a strict consumer", async () => {
  const folder = mkdtempSync(join(root, ".props", "consumer-"));
  try {
    const lines = specifiers.map((name, index) => `import * as m${index} from "${name}";\nexport { m${index} };`);
    writeFileSync(join(folder, "consumer.mts"), `${lines.join("\n")}\n`);
    const compilerOptions = {
      target: "ES2022",
      lib: ["ES2023", "ESNext.Disposable"],
      module: "NodeNext",
      moduleResolution: "NodeNext",
      types: ["node"],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.mts"] }));
    const tsc = join(root, "node_modules", "typescript", "lib", "tsc.js");
    const output = await node([tsc, "-p", folder, "--pretty", "false"]).catch(
      ({ stdout }: { stdout: string }) => stdout,
    );
    // Without skipLibCheck the types of dependencies are checked too; their errors are not ours.
    const ours = output.split("\n").filter((line) => /error TS/.test(line) && !line.includes("node_modules"));
    assert.deepEqual(ours, [], ours.join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
