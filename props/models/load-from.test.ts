/** Models from bytes and from addresses are the models of the same folders. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { InputError, read } from "../../core/index.js";
import {
  loadModel,
  loadModelFrom,
  loadTokenizer,
  type Model,
  type ModelSource,
  tokenizerOf,
} from "../../models/index.js";
import { goldenPath } from "../golden/files.js";

const sharded = goldenPath("llama3-tiny");
const single = goldenPath("preferences", "sft");
const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const bytesOf = (folder: string, name: string): Uint8Array => readFileSync(join(folder, name));
const json = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));

const asked: { path: string; range: string | undefined }[] = [];
/** A file server with ranges; below /whole it answers with all of a file. */
const serve: RequestListener = (request, response) => {
  const [, how, ...path] = (request.url as string).split("/");
  const { range } = request.headers;
  asked.push({ path: path.join("/"), range });
  const content = readFileSync(join(goldenPath(), ...path));
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  if (["whole", "gone"].includes(how) || from === undefined) {
    response.writeHead(how === "gone" ? 404 : 200).end(content);
    return;
  }
  const part = content.subarray(Number(from), how === "short" ? Number(from) + 3 : Number(to) + 1);
  response.writeHead(206, { "content-range": `bytes ${from}-${to}/${content.length}` }).end(part);
};
const server = createServer(serve);
await new Promise<void>((started) => server.listen(0, "127.0.0.1", () => started()));
after(() => server.close());
const at = (path: string, how = "parts"): URL =>
  new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${how}/${path}`);

/** Asserts that two models are the same: what they are, their numbers, and how they would be saved. */
const assertSameModel = async (got: Model, want: Model): Promise<void> => {
  assert.deepEqual(got.config, want.config);
  assert.deepEqual(Object.keys(got.params), Object.keys(want.params));
  for (const [name, t] of Object.entries(want.params)) {
    assert.deepEqual([got.params[name].shape, got.params[name].dtype], [t.shape, t.dtype], name);
    assert.deepEqual(await read(got.params[name]), await read(t), name);
  }
  assert.deepEqual(got.layout, want.layout);
};

test("bytes and addresses, whole and in shards, make the model of the folder", async () => {
  const two: Omit<ModelSource, "weights"> = {
    config: json(sharded, "config.json"),
    generationConfig: bytesOf(sharded, "generation_config.json"),
  };
  const want = loadModel(sharded);
  await assertSameModel(await loadModelFrom({ ...two, weights: SHARDS.map((name) => bytesOf(sharded, name)) }), want);
  const urls = SHARDS.map((name) => at(`llama3-tiny/${name}`));
  await assertSameModel(await loadModelFrom({ ...two, weights: urls }), want);
  const one = {
    config: at("preferences/sft/config.json"),
    generationConfig: at("preferences/sft/generation_config.json"),
  };
  const before = asked.length;
  const weights = at("preferences/sft/model.safetensors");
  const got = await loadModelFrom({ ...one, weights });
  await assertSameModel(got, loadModel(single));
  const ranges = asked.slice(before).filter(({ path }) => path.endsWith(".safetensors"));
  assert.ok(ranges.every(({ range }) => range !== undefined));
  assert.ok(ranges.length >= 1 && ranges.length <= 2, "what is small comes along with what is beside it");
});

test("a tokenizer from its files at hand is that of the folder", () => {
  const files = { tokenizer: json(single, "tokenizer.json"), tokenizerConfig: json(single, "tokenizer_config.json") };
  const chatTemplate = readFileSync(join(single, "chat_template.jinja"), "utf8");
  const [got, want] = [tokenizerOf({ ...files, chatTemplate }), loadTokenizer(single)];
  const chat = [{ role: "user", content: "Hello, you!" }];
  assert.deepEqual(got.encodeChat(chat), want.encodeChat(chat));
  assert.deepEqual([got.eosId, got.padId, got.vocabSize], [want.eosId, want.padId, want.vocabSize]);
  assert.equal(tokenizerOf(files).hasChatTemplate, false);
});

test("what cannot be read is refused in one line that names it", async () => {
  const config = json(single, "config.json");
  const weights = bytesOf(single, "model.safetensors");
  const cut = weights.subarray(0, weights.length - 1);
  const broken = Uint8Array.from(weights).fill(0xff, weights.length - 4);
  const place = "preferences/sft/model.safetensors";
  const cases: readonly (readonly [ModelSource, RegExp])[] = [
    [{ config, weights: cut }, /weights: bad safetensors header: .*truncated|outside of the file/],
    [{ config, weights: weights.subarray(0, 5) }, /is no safetensors file: 5 bytes/],
    [{ config, weights: broken }, /holds NaN at element/],
    [{ config, weights: [weights, weights] }, /weights\[1\]: tensor ".*" is in weights\[0\] too/],
    [{ config, weights: [] }, /no weights are given/],
    [{ config: { ...config, num_hidden_layers: 9, layer_types: null }, weights }, /tensor ".*" is missing/],
    [{ config: Buffer.from("{"), weights }, /config.json: is not JSON/],
    [{ config, weights: at(place, "gone") }, /model.safetensors: cannot be read: it answered 404/],
    [{ config, weights: at(place, "short") }, /sent 3 bytes of the \d+ from 0 on/],
    [{ config: at("preferences/sft/config.json", "gone"), weights }, /cannot be read: it answered 404/],
  ];
  for (const [source, pattern] of cases)
    await assert.rejects(
      loadModelFrom(source),
      (e) => e instanceof InputError && pattern.test(e.message),
      String(pattern),
    );
});
