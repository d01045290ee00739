import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { HostTensor } from "../../models/files/safetensors.js";
import { writeSafetensors } from "../../models/files/safetensors-write.js";
import { openWeights } from "../../models/files/weights.js";
import { writeWeights } from "../../models/files/weights-write.js";
import { goldenPath } from "../golden/files.js";
import { refused } from "../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-weights-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const bitsOf = (data: Float32Array): number[] => [...new Uint32Array(data.buffer, data.byteOffset, data.length)];

const tensorsOf = (path: string): Map<string, HostTensor> => {
  const weights = openWeights(path);
  return new Map(weights.names.map((name) => [name, weights.read(name)]));
};

test("a sharded bf16 model saved in its layout is the reference's, byte for byte", () => {
  const source = goldenPath("llama3-tiny");
  const { layout } = openWeights(source);
  const target = join(folder, "sharded");
  writeWeights(target, tensorsOf(source), { dtype: "BF16", layout });
  const written = readdirSync(target).sort();
  assert.deepEqual(written, [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);
  for (const name of written)
    assert.deepEqual(readFileSync(join(target, name)), readFileSync(join(source, name)), name);

  // As one file, in the same folder: the shards and their index must go.
  const tensors = tensorsOf(target);
  writeWeights(target, tensors, { dtype: "F32" });
  assert.deepEqual(readdirSync(target), ["model.safetensors"]);
  for (const [name, { data }] of tensorsOf(target))
    assert.deepEqual(bitsOf(data), bitsOf((tensors.get(name) as HostTensor).data));
});

test("folders without weights, with missing or wrong shards, are refused", () => {
  const target = join(folder, "broken");
  refused(() => openWeights(target), /no such folder/);
  mkdirSync(target);
  refused(() => openWeights(target), /holds no model.safetensors/);
  const index = join(target, "model.safetensors.index.json");
  const shard = join(target, "model-00001-of-00001.safetensors");
  const write = (map: unknown): void => writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
  write({ a: "model-00001-of-00001.safetensors" });
  refused(() => openWeights(target), /shard is missing/);
  writeSafetensors(shard, [{ name: "b", shape: [1], dtype: "F32", data: new Float32Array(1) }]);
  refused(() => openWeights(target), /holds no tensor "a"/);
  write({ a: "../broken/model-00001-of-00001.safetensors" });
  refused(() => openWeights(target), /not to a .safetensors file of this folder/);
  write({ a: 3 });
  refused(() => openWeights(target), /sends "a" to 3/);
  write([]);
  refused(() => openWeights(target), /weight_map must be an object/);
  writeFileSync(index, "{");
  refused(() => openWeights(target), /is not JSON/);
  write({ b: "model-00001-of-00001.safetensors" });
  assert.deepEqual(openWeights(target).names, ["b"]);
});
