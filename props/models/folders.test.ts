/** Laws of folders: the same files are the same model wherever they lie, and lie in the same words; what is written there is what the disk gets. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { dispose, InputError, read } from "../../core/index.js";
import { weightsIn } from "../../models/files/weights.js";
import { filesIn } from "../../models/folders/files.js";
import { inTurn } from "../../models/folders/work.js";
import {
  type Folder,
  folderAt,
  folderIn,
  folderOf,
  generationDefaults,
  loadModel,
  loadTokenizer,
  readConfig,
  saveModel,
  sideFilesOf,
} from "../../models/index.js";
import { sha256 } from "../../models/platform/browser/sha256.js";
import { device, leavesNothing } from "../devices.js";
import { goldenPath } from "../golden/files.js";
import { tries } from "../reach.js";
import { memoryHandle } from "./handles.js";
import { asked, PLACES, served } from "./places.js";

const home = mkdtempSync(join(tmpdir(), "taugrad-folders-"));
after(() => rmSync(home, { recursive: true, force: true }));

const chat = [{ role: "user", content: "Hello, you!" }];
for (const [place, put] of Object.entries(PLACES))
  test(`a model, its tokenizer and its settings from ${place} are those of the folder`, async () => {
    for (const from of [goldenPath("llama3-tiny"), goldenPath("preferences", "sft")]) {
      const folder = await put(from);
      const cpu = await device("cpu");
      const before = cpu.stats().liveBuffers;
      const progress: number[] = [];
      const [got, want] = [
        await loadModel(folder, cpu, { onProgress: (n, of) => progress.push(n / of) }),
        loadModel(from),
      ];
      assert.deepEqual([got.config, got.layout], [want.config, want.layout]);
      assert.deepEqual(Object.keys(got.params), Object.keys(want.params));
      for (const [name, t] of Object.entries(want.params)) {
        assert.deepEqual([got.params[name].shape, got.params[name].dtype], [t.shape, t.dtype], name);
        assert.deepEqual(await read(got.params[name]), await read(t), name);
      }
      assert.equal(progress.at(-1), 1);
      dispose(got.params);
      assert.equal(cpu.stats().liveBuffers, before);
      assert.deepEqual(await readConfig(folder), want.config);
      assert.deepEqual((await generationDefaults(folder, {})).sampling, generationDefaults(from, {}).sampling);
      const [side, own] = [await sideFilesOf(folder), sideFilesOf(from)];
      const texts = (files: typeof own) =>
        files.tokenizer.map(([name, bytes]) => [name, Buffer.from(bytes).toString()]);
      assert.deepEqual([texts(side), side.generation], [texts(own), own.generation]);
    }
    const tokenizer = await loadTokenizer(await put(goldenPath("preferences", "sft")));
    assert.deepEqual(tokenizer.encodeChat(chat), loadTokenizer(goldenPath("preferences", "sft")).encodeChat(chat));
  });

/** What reading a folder's weights comes to: bits by name, or the words of the refusal without the place's name. */
const outcome = async (folder: Folder): Promise<unknown> => {
  try {
    const weights = await inTurn(weightsIn(folder));
    const found: [string, readonly number[]][] = [];
    for (const name of weights.names) {
      const { data } = await inTurn(weights.readStored(name));
      found.push([name, [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]]);
    }
    return found;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    assert.ok(!error.message.includes("\n"));
    const place = folder.path.replace(/\/$/, "");
    return error.message.replaceAll(place, "PLACE").replace("PLACE/:", "PLACE:");
  }
};

test("a file that lies, is cut or flipped, is refused in the same words in every place, or read to the same bits", async () => {
  const files = ["model-00001-of-00002.safetensors", "model.safetensors.index.json"];
  const whole = new Map(
    [...files, "model-00002-of-00002.safetensors"].map((name) => [name, readFileSync(goldenPath("llama3-tiny", name))]),
  );
  const damage = fc.record({
    file: fc.constantFrom(...files),
    at: fc.nat({ max: 600 }),
    flip: fc.nat({ max: 255 }),
    cut: fc.option(fc.nat({ max: 2000 }), { freq: 3 }),
    missing: fc.boolean(),
  });
  const places = Object.entries(PLACES);
  await fc.assert(
    fc.asyncProperty(damage, fc.nat({ max: places.length - 2 }), async ({ file, at, flip, cut, missing }, which) => {
      for (const [name, bytes] of whole) {
        const own = Buffer.from(name === file ? bytes.subarray(0, cut ?? bytes.length) : bytes);
        if (name === file && at < own.length) own[at] ^= flip;
        writeFileSync(join(home, name), own);
        if (name === file && missing && cut === 0) rmSync(join(home, name));
      }
      const [name, put] = places[which + 1];
      assert.deepEqual(await outcome(await put(home)), await outcome(await PLACES.disk(home)), name);
    }),
    { numRuns: tries(12) },
  );
});

/** What lies in a folder, by name. */
const contents = async (folder: Folder): Promise<Map<string, string>> => {
  const found = new Map<string, string>();
  for (const name of await inTurn(filesIn(folder))) {
    const parts = name.split("/");
    const file = await parts
      .slice(0, -1)
      .reduce((at, part) => at.within(part), folder)
      .file(parts.at(-1) as string);
    found.set(name, Buffer.from((await file?.whole(2 ** 24)) ?? []).toString("base64"));
  }
  return found;
};

test("a model is saved in memory and behind a handle to the bytes that the disk gets, in place of what lay there", async () => {
  const handle = folderIn(memoryHandle());
  for (const [i, name] of ["llama3-tiny", "qwen2-gqa-tied-tiny", "preferences/sft"].entries()) {
    const [from, to] = [goldenPath(...name.split("/")), join(home, `saved-${i}`)];
    const model = loadModel(from);
    await saveModel(to, model, { from });
    const want = await contents(await PLACES.disk(to));
    const memory = folderOf();
    for (const folder of [memory, handle.within("models").within(name.replace("/", "-"))]) {
      await saveModel(folder, loadModel(goldenPath("qwen1.5-tiny")));
      await saveModel(folder, model, { from: await PLACES["bytes in memory"](from) });
      const found = await contents(folder);
      found.delete("generation_config.json");
      want.delete("generation_config.json"); // the first model may have left one, as on the disk
      assert.deepEqual(found, want);
      assert.deepEqual((await loadModel(folder)).layout, model.layout);
    }
    assert.deepEqual([...memory.files().keys()].sort(), await inTurn(filesIn(memory)));
  }
});

test("a browser's refusals are told in one line with what to do, and leave what lay there", async () => {
  const storage = { room: 2 ** 30, mayWrite: true };
  const folder = folderIn(memoryHandle("models", storage)).within("one");
  const model = loadModel(goldenPath("qwen2-gqa-tied-tiny"));
  await saveModel(folder, model);
  const before = await contents(folder);
  storage.room = 5000;
  const other = { ...model, params: loadModel(goldenPath("qwen2-gqa-tied-tiny")).params };
  await assert.rejects(
    saveModel(folder, other),
    /^InputError: models\/one\/model.safetensors: cannot be written \(QuotaExceededError: .*full/,
  );
  assert.equal(storage.room, 5000, "what was put of it is given back");
  storage.mayWrite = false;
  await assert.rejects(
    saveModel(folder, model),
    /NotAllowedError: the user has not allowed it; await handle\.requestPermission/,
  );
  await assert.rejects(saveModel(folderAt("https://localhost/model"), model), /nothing can be written there/);
  assert.deepEqual(await contents(folder), before);
});

test("servers: what is small comes along, a broken connection is taken up, what is not the file is refused in one line", async () => {
  const from = goldenPath("preferences", "sft");
  const want = loadModel(from);
  const same = async (folder: Folder) => {
    const got = await loadModel(folder);
    for (const [name, t] of Object.entries(want.params)) assert.deepEqual(await read(got.params[name]), await read(t));
  };
  const first = asked.length;
  await same(folderAt(served(from)));
  assert.deepEqual(
    asked.slice(first).map(({ path }) => path),
    ["config.json", "generation_config.json", "model.safetensors"],
  );
  const before = asked.length;
  await same(folderAt(served(from, "torn")));
  const ranges = asked.slice(before).filter(({ path }) => path === "model.safetensors");
  assert.match(ranges[1].range as string, /^bytes=99-/, "only what is missing is asked for again");
  const notes: string[] = [];
  const big = join(home, "big");
  await saveModel(big, want, { from });
  const padded = { a: "x".repeat(2 ** 21) };
  writeFileSync(join(big, "generation_config.json"), JSON.stringify(padded));
  await same(folderAt(served(big, "whole"), { tell: (line) => notes.push(line) }));
  assert.equal(notes.length, 1);
  assert.match(notes[0], /^note: .*generation_config.json: its server knows no parts; all \d+ bytes are held$/);
  for (const [habit, pattern] of [
    ["short", /sent 3 bytes of the \d+ from 0 on/],
    ["other", /it sent bytes from 1 on, where those from 0 on were asked for/],
    ["other unsized", /it sent bytes from 1 on, where those from 0 on were asked for/],
    ["page", /holds no config.json; is it a model folder\?/],
  ] as const)
    await assert.rejects(loadModel(folderAt(served(habit === "page" ? home : from, habit))), pattern);
  // A file of more than one window is asked for more than once.
  for (const habit of ["changing", "dated"] as const) {
    const file = await folderAt(served(big, habit)).file("generation_config.json");
    await assert.rejects(async () => file?.whole(2 ** 23), /has changed while it was read; load it again/);
  }
  const config = await folderAt(served(from, "torn whole")).file("config.json");
  assert.deepEqual(await config?.whole(2 ** 20), new Uint8Array(readFileSync(join(from, "config.json"))));
  assert.throws(() => folderAt("no address"), /folderAt: "no address" is no address/);
  assert.throws(
    () => folderAt("https://localhost", { header: {} } as never),
    /option "header" is not known.*\n.*"headers"/,
  );
});

test("loading is stopped by a signal, with its reason, and what was loaded is freed", async () => {
  const cpu = await device("cpu");
  const folder = folderAt(served(goldenPath("llama3-tiny")));
  await leavesNothing(cpu, async () => {
    const stop = new AbortController();
    const onProgress = (loaded: number, total: number) => loaded > total / 2 && stop.abort(new Error("enough"));
    await assert.rejects(loadModel(folder, cpu, { signal: stop.signal, onProgress }), /^Error: enough$/);
  });
  const gone = folderAt(served(goldenPath("llama3-tiny")), { signal: AbortSignal.abort(new Error("gone")) });
  await assert.rejects(loadModel(gone), /^Error: gone$/);
});

test("a browser's sha256 is Node's, of any bytes in any pieces", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 200, size: "max" }), { maxLength: 5 });
  fc.assert(
    fc.property(pieces, (all) => {
      const [own, want] = [sha256(), createHash("sha256")];
      for (const piece of all) {
        own.update(piece);
        want.update(piece);
      }
      assert.equal(own.hex(), want.digest("hex"));
    }),
    { numRuns: tries(100) },
  );
});
