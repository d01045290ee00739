/** Threads change nothing but the time: same bits whatever their number, no process kept alive, no harm from a trap. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Worker, WorkerOptions } from "node:worker_threads";
import fc from "fast-check";
import {
  compile,
  type Device,
  DeviceError,
  dispose,
  evaluate,
  full,
  InputError,
  matmul,
  OutOfMemoryError,
  read,
  type Tensor,
  upload,
} from "../../../core/index.js";
import { createCompiler } from "../../../kernels/cpu/compiler.js";
import { openCpu } from "../../../kernels/cpu/device.js";
import { createHeap } from "../../../kernels/cpu/heap.js";
import { type Kernel, writeWord } from "../../../kernels/cpu/launch.js";
import { engineLimits } from "../../../kernels/cpu/memory.js";
import { createAlone, type Job, wantedThreads } from "../../../kernels/cpu/threads/pool.js";
import { createTeam } from "../../../kernels/cpu/threads/team.js";
import { loadWord, WORD } from "../../../kernels/cpu/wasm/expression.js";
import { i32 } from "../../../kernels/cpu/wasm/ops.js";
import { eighths, seeds } from "../../generators/generators.js";
import { projectRoot } from "../../golden/files.js";

import { bytesOf, programs } from "./cpu-programs.js";

const COUNTS = [1, 2, 3, 4];

/** The device as TAUGRAD_THREADS=n opens it. */
const openWith = async (threads: number | string): Promise<Device> => {
  const before = process.env.TAUGRAD_THREADS;
  process.env.TAUGRAD_THREADS = String(threads);
  try {
    return await openCpu();
  } finally {
    if (before === undefined) delete process.env.TAUGRAD_THREADS;
    else process.env.TAUGRAD_THREADS = before;
  }
};

const devices = await Promise.all(COUNTS.map(openWith));
after(() => Promise.all(devices.map((device) => device.close())));

for (const [name, make] of Object.entries(programs))
  test(`${name}: 1, 2, 3 and 4 threads give the same bits, time after time [cpu]`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ n: fc.integer({ min: 150, max: 700 }), d: fc.integer({ min: 30, max: 330 }), s: seeds() }),
        async ({ n, d, s }) => {
          const { inputs, f } = make(n, d, s);
          const want = await bytesOf(devices[0], inputs, f);
          for (const device of devices.slice(1)) {
            const got = await bytesOf(device, inputs, f);
            got.forEach((text, i) => {
              assert.ok(text === want[i], `output ${i} differs on ${device.description}`);
            });
          }
        },
      ),
      { numRuns: 4 },
    ));

/** Writes its number where it is told; traps for one of them. */
const writer: Kernel = {
  key: "writer",
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const value = body.let(loadWord(args, 1));
      body.do(i32.store(loadWord(args, 0), value));
      // Division by zero traps.
      body.do(i32.store(loadWord(args, 0), i32.add(value, i32.div_u(i32.const(0), loadWord(args, 2)))));
    }),
};

test("a kernel that traps, on whichever thread, throws once; the threads go on [cpu]", async () => {
  const heap = createHeap({ isShared: true });
  assert.ok(heap.addressing.isShared);
  const pool = createTeam(createAlone(heap.memory), heap.memory, 3);
  const [kernel] = createCompiler(heap, pool).compile([writer]);
  const blocks = 900;
  const args = heap.allocate(3 * WORD * blocks);
  const out = heap.allocate(4 * blocks);
  const job: Job = { kernel, blocks, args, stride: 3 * WORD, scratch: 0, scratchStride: 0, patches: [] };
  const prepare = (bad: (b: number) => boolean) => {
    const words = heap.words();
    for (let b = 0; b < blocks; b++)
      [out + 4 * b, b + 1, bad(b) ? 0 : 1].forEach((word, i) => {
        writeWord(words, args + WORD * (3 * b + i), word);
      });
    words.fill(0, out / 4, out / 4 + blocks);
  };
  const written = () => [...heap.words().subarray(out / 4, out / 4 + blocks)];
  const all = Array.from({ length: blocks }, (_, b) => b + 1);
  try {
    for (let round = 0; round < 200; round++) {
      prepare((b) => round % 2 === 0 && b % 7 === round % 7);
      if (round % 2 === 0) assert.throws(() => pool.run(job));
      else pool.run(job);
      assert.deepEqual(written(), all);
      // Workers may sleep between launches, or not be there yet.
      if (round % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    pool.close();
  }
});

test("more than 32-bit addresses reach is refused with the numbers, and the device goes on [cpu]", async () => {
  const device = await openCpu({ memory: "wasm32" });
  const { memory, remedy } = device.limits ?? {};
  assert.equal(memory, 2 ** 32 - 65536);
  // An engine that has no more says so, and the error with it.
  assert.equal(engineLimits().limits.memory64 === 0, remedy?.startsWith("Node 24 or later") ?? false);
  for (const elements of [2 ** 30, 2 ** 31 - 1])
    assert.throws(
      () => evaluate(full([elements], 1), device),
      (error) =>
        error instanceof OutOfMemoryError &&
        /bytes asked, \d+ in use, 429\d+ at most/.test(error.message) &&
        error.lacking.limit === memory &&
        error.message.endsWith(remedy ?? "a device with more memory"),
    );
  const x = evaluate(full([5], 1), device);
  assert.deepEqual([...(await read(x))], [1, 1, 1, 1, 1]);
  await device.close();
});

test("the number of threads is checked [cpu]", async () => {
  for (const text of ["0", "-1", "2.5", "many"]) await assert.rejects(openWith(text), InputError);
  const device = await openWith(3);
  assert.match(device.description, /3 threads/);
  await device.close();
  assert.ok(wantedThreads() >= 1);
});

test("a closed device runs nothing, and closing twice is harmless [cpu]", async () => {
  const device = await openWith(2);
  const x = upload(eighths([300, 300], 1), device);
  const f = compile((a: Tensor) => matmul(a, a), device);
  dispose(f(x));
  await device.close();
  await device.close();
  assert.throws(() => f(x), DeviceError);
});

/** A module of the built package, as an import names it. */
const built = (name: string): string => JSON.stringify(pathToFileURL(join(projectRoot, "dist", `${name}.js`)).href);

test("idle workers keep no process alive: it ends by itself, device closed or not [cpu]", async () => {
  const folder = mkdtempSync(join(tmpdir(), "taugrad-threads-"));
  try {
    for (const closing of ["", "await device.close();"]) {
      const file = join(folder, `end${closing.length}.mjs`);
      writeFileSync(
        file,
        `import { compile, matmul, full, read, evaluate } from ${built("index")};
import { open } from ${built("devices")};
const device = await open("cpu");
const x = evaluate(full([400, 400], 0.5), device);
const f = compile((a) => matmul(a, a), device);
for (let i = 0; i < 20; i++) await new Promise((done) => setTimeout(done, 5)).then(() => f(x));
console.log((await read(f(x)))[7]);
${closing}`,
      );
      const started = performance.now();
      const { stdout } = await promisify(execFile)(process.execPath, [file], {
        env: { ...process.env, TAUGRAD_THREADS: "3", NODE_OPTIONS: "" },
        timeout: 30_000,
      });
      assert.equal(stdout.trim(), "100");
      assert.ok(performance.now() - started < 30_000);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Has second threads that start meanwhile end by a line of its own, put before what they do for a block. */
const withDying = async (line: string, use: () => Promise<void>): Promise<void> => {
  const threads = createRequire(import.meta.url)("node:worker_threads") as { Worker: typeof Worker };
  const { Worker: Usual } = threads;
  threads.Worker = class extends Usual {
    constructor(source: string, options: WorkerOptions) {
      const dying = source.replace("const run = (block) => {", `$&if (thread === 1) { ${line} }`);
      assert.notEqual(dying, source);
      super(dying, options);
    }
  } as typeof Worker;
  syncBuiltinESMExports();
  try {
    await use();
  } finally {
    threads.Worker = Usual;
    syncBuiltinESMExports();
  }
};

test("a worker thread that ends with a block in its hands ends its device with an error; nobody waits for it [cpu]", async () => {
  const device = await openWith(3);
  await withDying("process.exit(1)", async () => {
    // Workers start with the first launch of several blocks, and it may be over before they are there.
    const x = evaluate(full([400, 400], 1), device);
    const f = compile((y: Tensor) => matmul(y, y), device);
    const lost = /^DeviceLostError: cpu: a worker thread has ended/;
    const run = async (): Promise<void> => {
      for (let tries = 0; tries < 1000; tries++) {
        dispose(f(x));
        await new Promise(setImmediate);
      }
    };
    await assert.rejects(run, lost);
    assert.throws(() => f(x), lost);
    await assert.rejects(read(x), lost);
    dispose(x);
  });
  await device.close();
});
