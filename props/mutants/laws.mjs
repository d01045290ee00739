/** The laws as one bundle without node's test runner, and a worker thread that tries them one by one. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { bundling, root } from "../../build.mjs";

/** In place of node:test: laws are gathered, and tried by the worker. */
const GATHER = `
const gather = (title, options, body = options) => {
  globalThis.__laws.push({ title, body });
};
export const [test, after, beforeEach] = [gather, () => {}, () => {}];
export default gather;
`;
/** In place of props/devices.ts: the oracle alone, a new one for each law, since laws count what others leave behind. */
const DEVICES = `
import { openReference } from "./kernels/reference/index.js";
export const deviceNames = ["reference"];
export const device = () => openReference();
export const presentDevices = async () => deviceNames;
`;

/** Bundles law files; `sourceOf(file)` may give another source for a file of the project. Returns the bundle's path. */
export const bundleLaws = async (lawFiles, name, sourceOf) => {
  const outfile = join(root, ".mutants", `${name}.mjs`);
  await build({
    ...bundling,
    splitting: false,
    // The files are wanted for what they do when they load.
    ignoreAnnotations: true,
    chunkNames: undefined,
    banner: { js: 'import "../props/seed.mjs";' },
    stdin: { contents: lawFiles.map((file) => `import "./${file}";`).join("\n"), resolveDir: root, loader: "ts" },
    outfile,
    plugins: [
      {
        name: "mutants",
        setup: ({ onResolve, onLoad }) => {
          onResolve({ filter: /^node:test$/ }, () => ({ path: "gather", namespace: "mutants", sideEffects: false }));
          onLoad({ filter: /^gather$/, namespace: "mutants" }, () => ({ contents: GATHER, loader: "js" }));
          onLoad({ filter: /\bprops\/devices\.ts$/ }, () => ({ contents: DEVICES, loader: "js", resolveDir: root }));
          onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const contents = sourceOf(path.slice(root.length + 1).replaceAll("\\", "/"));
            return contents === undefined ? undefined : { contents, loader: "ts" };
          });
        },
      },
    ],
  });
  return outfile;
};

/** After so many mutants a thread is given up for a new one. */
const PATIENCE = 150;

/**
 * A thread that tries laws of a bundle: ask({ mutant?: the id to switch on, laws?: indices in the order to try, fresh?: in a
 * thread that loads with the mutant on, all?: go on after a failure }, limit in ms) → { results, loading } as worker.mjs
 * sends them, or { ended: why } if the thread did not answer.
 */
export const openLaws = (bundle) => {
  let [worker, asked] = [undefined, 0];
  const open = (mutant) => {
    const env = { ...process.env, FC_SEED: "1", NODE_OPTIONS: "" };
    const workerData = { bundle, mutant };
    return new Worker(new URL("./worker.mjs", import.meta.url), {
      workerData,
      env,
      execArgv: [],
      stdout: true,
      stderr: true,
    });
  };
  const close = async () => {
    const old = worker;
    worker = undefined;
    await old?.terminate();
  };
  const ask = async ({ fresh = false, ...request }, limit = 600_000) => {
    if (fresh || ++asked % PATIENCE === 0) await close();
    worker ??= open(fresh ? request.mutant : undefined);
    const one = worker;
    const answer = await new Promise((resolve) => {
      const timer = setTimeout(() => settle({ ended: "a law that does not end" }), limit);
      const failed = (error) => settle({ ended: `the process fails: ${error.message}` });
      const left = () => settle({ ended: "the process exits" });
      const settle = (value) => {
        clearTimeout(timer);
        one.off("message", settle).off("error", failed).off("exit", left);
        resolve(value);
      };
      one.on("message", settle).on("error", failed).on("exit", left);
      one.postMessage(request);
    });
    if (fresh || answer.ended !== undefined) await close();
    return answer;
  };
  return { ask, close };
};
