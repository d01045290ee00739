/** Laws of the package as a stranger gets it: what is in it, what importing it costs, whether its types stand alone. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { TRAINING_KINDS } from "../../run/fit/kinds.js";
import type { Option } from "../../run/options/kinds.js";
import { optionsFor } from "../../run/options/takes.js";
import { projectRoot as root } from "../golden/files.js";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>;
  readonly dependencies: Record<string, string>;
  readonly allowScripts: Record<string, boolean>;
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
  assert.deepEqual(specifiers, [
    "taugrad",
    "taugrad/optim",
    "taugrad/models",
    "taugrad/align",
    "taugrad/testing",
    "taugrad/devices",
  ]);
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

test("the two runtime dependencies, and no more", () => {
  assert.deepEqual(Object.keys(manifest.dependencies).sort(), ["@huggingface/tokenizers", "yaml"]);
});

test("the lock file names no registry and covers the three systems", () => {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  assert.doesNotMatch(lock, /"resolved":/);
  assert.doesNotMatch(readFileSync(join(root, "docs", "site", "package-lock.json"), "utf8"), /"resolved":/);
  for (const system of ["linux-x64", "darwin-arm64", "win32-x64"]) {
    for (const name of ["@biomejs/cli", "@esbuild/", "@oxc-parser/binding", "@typescript/typescript"]) {
      const start = `"node_modules/${name}${name.endsWith("/") ? "" : "-"}${system}`;
      assert.ok(lock.includes(start), `package-lock.json has no ${start}…": npm install left it out`);
    }
  }
});

test("what packages would run as they are installed is decided here, so that npm asks nobody", () => {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const asking = Object.entries(lock.packages).flatMap(([path, { hasInstallScript }]) =>
    hasInstallScript ? [path.slice("node_modules/".length)] : [],
  );
  assert.deepEqual(asking.sort(), Object.keys(manifest.allowScripts).sort());
});

test("the command line starts with a shebang", () => {
  assert.match(readFileSync(join(root, "dist", "cli.js"), "utf8"), /^#!\/usr\/bin\/env node\n/);
});

/** `npm …args`: under npm test npm says where it is; a bare run finds it on the path, on Windows through the shell. */
const npm = async (args: readonly string[]): Promise<string> => {
  const own = process.env.npm_execpath;
  if (own !== undefined) return node([own, ...args]);
  return (await promisify(execFile)("npm", args, { cwd: root, shell: process.platform === "win32" })).stdout;
};

/** The regular files of a ustar archive: [name, bytes]. */
function* untar(archive: Buffer): Generator<[string, Buffer]> {
  const field = (at: number, length: number) => archive.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const [size, prefix] = [Number.parseInt(field(at + 124, 12), 8), field(at + 345, 155)];
    yield [`${prefix === "" ? "" : `${prefix}/`}${field(at, 100)}`, archive.subarray(at + 512, at + 512 + size)];
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

const PROGRAM = `
import { add, compile, dispose, grad, jvp, key, matmul, mean, mul, read, scan, split, square, sub, tanh } from "taugrad";
import { type Tensor, tensor, treeZip, vjp, vmap, zeros } from "taugrad";
import { open } from "taugrad/devices";
interface Params { readonly w: Tensor; readonly b: Tensor }
const loss = ({ w, b }: Params, x: Tensor, y: Tensor) => mean(square(sub(add(matmul(x, w), b), y)));
const device = await open("cpu");
const step = compile((params: Params, x: Tensor, y: Tensor, lr: Tensor) => {
  const grads = grad(loss)(params, x, y);
  return treeZip(([p, g]) => sub(p, mul(lr, g)), params, grads);
}, device, { donate: [0] });
let params: Params = { w: zeros([2, 1]), b: zeros([1]) };
const [x, y] = [tensor([1, 0, 0, 1, 1, 1, 2, 1], [4, 2]), tensor([3, 0, 2, 4], [4, 1])];
for (let i = 0; i < 400; i++) params = step(params, x, y, tensor([0.2], [1]));
console.log((await read(params.w))[0]?.toFixed(2));
dispose(params);
await device.close();

// Types alone: tuples stay tuples, and interfaces are trees.
export const types = (x: Tensor, p: Params) => {
  const [a, b] = split(key(0));
  const three: [Tensor, Tensor, Tensor] = split(a, 3);
  const [[y, q], pullback] = vjp((u: Tensor, v: Params) => [mul(u, v.w), v], x, p);
  const [du, dv]: [Tensor, Params] = pullback([y, q]);
  const slope: Tensor = grad(tanh)(2);
  const both: [Tensor, Params] = grad((u: Tensor, v: Params) => mean(mul(u, v.w)), { argnums: [0, 1] })(x, p);
  const [slopes, aux]: [Params, Tensor] = grad((v: Params) => [mean(v.w), v.b], { hasAux: true })(p);
  const [, [along]] = jvp((u: Tensor) => [tanh(u), u], [x], [x]);
  const [last, rows] = scan((c: Params, row: Tensor) => [c, { row }], p, x);
  const many: Params = vmap((v: Params, u: Tensor) => ({ w: mul(v.w, u), b: v.b }), { inAxes: [null, 0] })(p, x);
  return [b, three, du, dv, slope, both, slopes, aux, along, last.w, rows.row, many] as const;
};
`;

/** Values of each type that a key may have. */
const SAMPLES: readonly (readonly unknown[])[] = [[true], [1, 0.25, 3, 100], [{ a: 1 }], [["x"]], [[1]]];
const reads = ({ read }: Option<unknown>, value: unknown): boolean => {
  try {
    return read(value, "") !== undefined;
  } catch {
    return false;
  }
};

/** A program that gives every key of the option table what it reads, and what it does not, which must be errors. */
const keysProgram = (): string => {
  const names = { sft: "SftRunOptions", dpo: "DpoRunOptions", kto: "KtoRunOptions" };
  const lines = TRAINING_KINDS.flatMap((kind) =>
    [...optionsFor(kind)]
      .filter(([key]) => !["eval_dataset", "dry_run"].includes(key))
      .flatMap(([key, option]) => {
        const give = (value: unknown) => `give<${names[kind]}["${key}"]>(${JSON.stringify(value)});`;
        const isPlain = option.fallback !== undefined && key !== "dataset_name";
        return [
          ...(isPlain ? [give(option.fallback)] : []),
          ...SAMPLES.map((values) => {
            const good = values.find((value) => reads(option, value));
            return good === undefined ? `// @ts-expect-error\n${give(values[0])}` : give(good);
          }),
        ];
      }),
  );
  return `import { dpo, type DpoRunOptions, type KtoRunOptions, type RunPlan, type SftRunOptions } from "taugrad/align";
const give = <T>(value: T): T => value;
const places = { model_name_or_path: "m", output_dir: "o" };
export const runs = async () => {
  const { metrics, stopped } = await dpo({ ...places, train_dataset: [{ prompt: "" }], optim: "./my-rule.js", max_length: null });
  const plan: RunPlan = await dpo({ ...places, dataset_name: "d", loss_type: "ipo", eval_dataset: [], dry_run: true });
  const loss: number | undefined = metrics?.loss;
  // @ts-expect-error
  await dpo({ ...places, dataset_name: "d", learning_rat: 1 });
  // @ts-expect-error
  await dpo({ ...places, dataset_name: "d", train_dataset: [] });
  // @ts-expect-error
  await dpo(places);
  // @ts-expect-error
  await dpo({ output_dir: "o", dataset_name: "d" });
  return [loss, stopped, plan.steps] as const;
};
${lines.join("\n")}
`;
};

test("what npm packs, in a project of its own: under 0.8 MB, nothing but the build; strict types alone; it trains", async () => {
  const folder = mkdtempSync(join(root, ".props", "consumer-"));
  try {
    const packing = ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder];
    const [{ filename, size }] = JSON.parse(await npm(packing)) as [{ filename: string; size: number }];
    assert.ok(size < 0.8e6, `${size} bytes`);
    const paths: string[] = [];
    for (const [name, bytes] of untar(gunzipSync(readFileSync(join(folder, filename))))) {
      const path = name.replace(/^package\//, "");
      paths.push(path);
      assert.ok(!bytes.includes(root), `${path} names a folder of the machine that it was built on`);
      mkdirSync(dirname(join(folder, "node_modules/taugrad", path)), { recursive: true });
      writeFileSync(join(folder, "node_modules/taugrad", path), bytes);
    }
    for (const file of ["LICENSE", "package.json", "dist/index.js", "dist/cli.js", "dist/types/library/index.d.ts"])
      assert.ok(paths.includes(file), `${file} is not packed`);
    const strays = paths.filter(
      (path) => !/^(dist\/|configs\/|tasks\/|LICENSE$|README\.md$|package\.json$)/.test(path),
    );
    assert.deepEqual([...strays, ...paths.filter((path) => /meta\.json$|\.map$/.test(path))], []);

    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
    const lines = specifiers.map((name, index) => `import * as m${index} from "${name}";\nexport { m${index} };`);
    writeFileSync(join(folder, "consumer.ts"), `${lines.join("\n")}\n`);
    writeFileSync(join(folder, "program.ts"), PROGRAM);
    writeFileSync(join(folder, "keys.ts"), keysProgram());
    const table = readFileSync(join(folder, "node_modules/taugrad/dist/types/run/options/table.d.ts"), "utf8");
    for (const [key, { about }] of optionsFor("dpo"))
      assert.ok(table.includes(`/** ${about}`) && new RegExp(`\\*/\\n {4}${key}: `).test(table), `${key}: no hover`);
    const tsc = join(root, "node_modules", "typescript", "lib", "tsc.js");
    // As a project for Node has it, and as one for browsers: neither declares what the other knows, nor WebGPU.
    for (const how of [
      { module: "Node16", moduleResolution: "Node16", lib: ["ES2022"], types: ["node"] },
      { module: "ESNext", moduleResolution: "Bundler", lib: ["ES2022", "DOM"], types: [] },
    ]) {
      const strict = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };
      const compilerOptions = { target: "ES2022", ...how, ...strict, outDir: "built" };
      const files = ["consumer.ts", "program.ts", "keys.ts"];
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
      const output = await node([tsc, "--singleThreaded", "-p", folder, "--pretty", "false"]).catch(
        ({ stdout }: { stdout: string }) => stdout,
      );
      // Types of dependencies are checked too; their errors are not ours.
      const others = /node_modules(?!\/taugrad)/;
      const ours = output.split("\n").filter((line) => /error TS/.test(line) && !others.test(line));
      assert.deepEqual(ours, [], ours.join("\n"));
    }
    assert.equal(await node([join(folder, "built", "program.js")], folder), "2.00\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the optional peers come with nothing: who runs on the CPU installs under 10 MB", () => {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Record<string, { readonly dev?: boolean }>;
  };
  const installed = Object.keys(lock.packages).filter((path) => path !== "" && lock.packages[path].dev !== true);
  const bytes = (folder: string): number =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      // Maps and the metafile of dist/ stay here (files of package.json).
      .filter((entry) => entry.isFile() && !/\.map$|^meta\.json$/.test(entry.name))
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  const sum = installed.reduce((all, path) => all + bytes(join(root, path)), bytes(join(root, "dist")));
  assert.ok(sum < 10e6, `${installed.join(", ")}: ${sum} bytes with dist/`);
});
