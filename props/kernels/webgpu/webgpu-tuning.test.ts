/** What is measured of an adapter is kept for it, used later, and decides nothing but time. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { add, matmul, type Tensor, tensor, transpose } from "../../../core/index.js";
import { openWebgpu, type Tuning } from "../../../kernels/index.js";
import type { MatmulStep } from "../../../kernels/plan/steps.js";
import { classOf, tileName } from "../../../kernels/webgpu/kernels/matmul/rates.js";
import { chosen, innerCut, TILES } from "../../../kernels/webgpu/kernels/matmul/tiles.js";
import type { Tune } from "../../../kernels/webgpu/tuning/options.js";
import { readTuning } from "../../../kernels/webgpu/tuning/store.js";
import { assertSame, run } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { hash } from "../../generators/generators.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-tuning-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const matrix = (rows: number, columns: number, seed: number) =>
  tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => hash(seed, i) / 2 ** 31 - 1),
    [rows, columns],
  );
const given: [Tensor, Tensor] = [matrix(70, 200, 1), matrix(90, 200, 2)];

/** What a device with kernels for GPUs knows, what it says of it, and the numbers of a product. */
const opened = async (tune: Tune) => {
  const notices: string[] = [];
  let tuning: Tuning | undefined;
  const device = await openWebgpu({
    ...{ kernels: "gpu", tune, tuningFolder: folder, tuningSide: 64 },
    notice: (line) => notices.push(line),
    tuned: (found) => {
      tuning = found;
    },
  });
  const { launches } = device.stats();
  const [numbers] = await run((a, b) => [add(matmul(a, transpose(b)), 1)], given, device);
  await device.close();
  return { notices, tuning, launches, numbers };
};

const step = (m: number, n: number, inner: number): MatmulStep => ({
  kind: "matmul",
  a: { buffer: 0, shape: [m, inner], strides: [inner, 1], offset: 0 },
  b: { buffer: 1, shape: [inner, n], strides: [1, inner], offset: 0 },
  dtypes: ["f32", "f32"],
  output: { buffer: 2, shape: [m, n], strides: [n, 1], offset: 0 },
});

test("the tile that was measured to be far the fastest is chosen, in its own class of products", () => {
  const one = step(1024, 4096, 512);
  for (const tile of TILES) {
    const rates = {
      [classOf(one)]: {
        [tileName(tile)]: 1,
        ...Object.fromEntries(TILES.filter((it) => it !== tile).map((it) => [tileName(it), 1e-3])),
      },
    };
    assert.equal(chosen(one, innerCut(one), TILES, rates).tile, tile);
    const other = step(16, 4096, 512);
    assert.equal(chosen(other, innerCut(other), TILES, rates).tile, chosen(other, innerCut(other)).tile);
  }
});

if ((await presentDevices()).includes("webgpu"))
  test("tiles are timed once an adapter, kept, and used with the same bits; what is damaged is told and measured anew", async () => {
    const plain = await opened("never");
    assert.equal(plain.tuning, undefined);
    const first = await opened("now");
    assert.ok(first.launches > 0);
    const { rates, file } = first.tuning as Tuning;
    for (const own of Object.values(rates)) {
      assert.equal(Math.max(...Object.values(own)), 1);
      assert.ok(Object.values(own).every((rate) => rate > 0 && rate <= 1));
    }
    assert.deepEqual(Object.keys(rates["f32 a·bT, few rows"]), TILES.map(tileName));
    assert.deepEqual(
      readdirSync(folder).map((name) => join(folder, name)),
      [file],
    );
    const second = await opened("now");
    assert.deepEqual([second.launches, second.tuning?.rates, second.notices], [0, rates, []]);
    assertSame(first.numbers, plain.numbers, "once tuned");
    const whole = readFileSync(file as string, "utf8");
    assert.deepEqual(readTuning(file as string), { rates });
    for (const damage of [whole.slice(0, whole.length / 2), '{"rates": {"f32 a·bT": {"128x128": "fast"}}}', "[]", ""]) {
      writeFileSync(file as string, damage);
      assert.deepEqual(readTuning(file as string), { damaged: `${file} holds no rates of tiles` });
    }
    const again = await opened("now");
    assert.match(again.notices[0], /^tuning: .* holds no rates of tiles; measured anew$/);
    assert.ok(again.launches > 0);
    assert.deepEqual(Object.keys(readTuning(file as string).rates ?? {}), Object.keys(rates));
  });
