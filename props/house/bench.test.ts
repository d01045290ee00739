/** The benchmarks as a command: what they refuse, what they write; and a floor under speed that no busy machine reaches. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { readArguments } from "../../bench/kernels/arguments.js";
import { compile, evaluate, key, matmul, normal, read, type Tensor } from "../../core/index.js";
import { device } from "../devices.js";
import { projectRoot as root } from "../golden/files.js";

const run = (program: string, args: readonly string[]) =>
  spawnSync(process.execPath, [program, ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined },
  });

const bench = (...args: readonly string[]) => run("bench/run.mjs", args);

test("bench:gpu and kernels refuse what they do not know: one line, exit code 2", () => {
  for (const [program, ...args] of [
    ["bench/gpu/run.mjs", "--only", "abacus"],
    ["bench/gpu/run.mjs", "--torch", "no/such/file.py"],
    ["bench/kernels/run.mjs", "--card", "abacus"],
  ]) {
    const { status, stderr } = run(program, args);
    assert.equal(status, 2, `${program} ${args.join(" ")}: ${stderr}`);
    assert.match(stderr, /^(bench:gpu|kernels): [^\n]+\n$/);
  }
  for (const args of [["--shapes", "z"], ["--pairs", "0"], ["--precision", "f8"], ["--abacus"]])
    assert.throws(() => readArguments(args), { name: "InputError", message: /^[^\n]+$/ }, args.join(" "));
});

test("bench refuses what it does not know: one line, exit code 2", () => {
  for (const args of [["--device", "abacus"], ["--jsn", "x"], ["no-such-suite"]]) {
    const { status, stderr } = bench(...args);
    assert.equal(status, 2, args.join(" "));
    assert.match(stderr, /^bench: [^\n]+\n$/);
  }
});

test("bench --json writes numbers by name under their device, and the machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-bench-"));
  try {
    const file = join(folder, "numbers.json");
    const { status, stderr, stdout } = bench("first-gradient", "--device", "cpu", "--json", file);
    assert.equal(status, 0, stderr + stdout);
    const { machine, ...numbers } = JSON.parse(readFileSync(file, "utf8"));
    assert.deepEqual(Object.keys(numbers), ["cpu"]);
    assert.deepEqual(Object.keys(numbers.cpu), ["first_gradient_ms"]);
    assert.ok(numbers.cpu.first_gradient_ms > 0);
    assert.ok(machine.cores > 0 && machine.node === process.version);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** The shortest of a few runs, in milliseconds: what the machine can do between interruptions. */
const shortest = async (run: () => unknown, runs: number): Promise<number> => {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const before = performance.now();
    await run();
    best = Math.min(best, performance.now() - before);
  }
  return best;
};

// Measured: 25 to 60 times on two busy cores. The rest is for other machines; whoever falls back to scalars is caught.
test("a product on cpu is more than four times as fast as a plain loop [cpu]", async () => {
  const n = 256;
  const cpu = await device("cpu");
  const [a, b] = evaluate([normal(key(1), [n, n]), normal(key(2), [n, n])], cpu);
  const product = compile((x: Tensor, y: Tensor) => matmul(x, y), cpu);
  const [x, y, out] = [await read(a), await read(b), new Float32Array(n * n)];
  const loop = () => {
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let k = 0; k < n; k++) total += x[i * n + k] * y[k * n + j];
        out[i * n + j] = total;
      }
  };
  const [plain, fast] = [await shortest(loop, 6), await shortest(() => read(product(a, b)), 12)];
  assert.ok(fast * 4 < plain, `${fast.toFixed(2)} ms; the plain loop takes ${plain.toFixed(2)} ms`);
});
