/** Downloads from the Hub, from a local server that speaks its protocol: whole, checked, gone on with, never half. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/index.js";
import {
  type HubSettings,
  hubNameOf,
  hubSettings,
  hubSnapshot,
  loadModel,
  loadTokenizer,
  parseHubName,
} from "../../../models/index.js";
import { scratch, succeeds, taugrad } from "../../cli/cli.js";
import { goldenPath } from "../../golden/files.js";
import { COMMIT, type Fault, gitHash, hubServer, LARGE, noSettings, type Repo } from "./server.js";

const hub = await hubServer();
after(hub.close);
const folder = scratch();
let count = 0;

/** A cache of its own each time. */
const settings = (change: Partial<HubSettings> = {}): HubSettings => ({
  ...{ endpoint: hub.url, token: undefined, cache: join(folder, `cache-${count++}`), offline: false, pause: 1 },
  ...change,
});

const model = goldenPath("preferences", "sft");
const filesIn = (place: string): Map<string, Buffer> =>
  new Map(readdirSync(place).map((name) => [name, readFileSync(join(place, name))]));

/** A repository with a real model, and with what must not be downloaded beside it. */
const repo = (more: Readonly<Record<string, string>> = {}): Repo => ({
  type: "model",
  commit: COMMIT,
  files: new Map([
    ...filesIn(model),
    ...Object.entries({
      "pytorch_model.bin": "no",
      "consolidated.safetensors": "no",
      "onnx/model.onnx": "no",
      ...more,
    }).map(([path, text]) => [path, Buffer.from(text)] as const),
  ]),
});
hub.repos.set("golden/sft", repo());
const name = { type: "model", id: "golden/sft", revision: "main" } as const;
const fetched = (own: HubSettings, what: Parameters<typeof hubSnapshot>[0] = name): Promise<string> =>
  hubSnapshot(what, { settings: own });
/** Runs with a fault, and without it again. */
const failing = async <T>(fault: (line: string) => Fault | undefined, run: () => Promise<T>): Promise<T> => {
  hub.fault = fault;
  try {
    return await run();
  } finally {
    hub.fault = () => undefined;
  }
};
const refuses = (call: Promise<unknown>, pattern: RegExp): Promise<void> =>
  assert.rejects(call, (e) => e instanceof InputError && pattern.test(e.message) && !e.message.includes("\n"));

/** Every file of a snapshot is the server's. */
const assertWhole = (place: string, wanted = [...filesIn(model).keys()]): void => {
  assert.deepEqual(readdirSync(place).sort(), [...wanted].sort());
  for (const [file, content] of filesIn(place))
    assert.ok(content.equals(hub.repos.get("golden/sft")?.files.get(file) as Buffer), file);
};

test("a model arrives in huggingface_hub's layout, with what it takes and nothing else; the second time nothing is sent", async () => {
  const own = settings();
  const place = await fetched(own);
  assert.equal(place, join(own.cache, "models--golden--sft", "snapshots", COMMIT));
  assert.equal(readFileSync(join(own.cache, "models--golden--sft", "refs", "main"), "utf8"), COMMIT);
  assertWhole(place);
  assert.ok(
    statSync(
      join(own.cache, "models--golden--sft", "blobs", gitHash(readFileSync(join(model, "chat_template.jinja")))),
    ).isFile(),
  );
  assert.deepEqual(loadModel(place).config.raw, loadModel(model).config.raw);
  assert.deepEqual(loadTokenizer(place).encode("Hello"), loadTokenizer(model).encode("Hello"));
  assert.equal(hubNameOf(place), "golden/sft");
  const before = hub.log.length;
  assert.equal(await fetched(own), place);
  assert.deepEqual(
    hub.log.slice(before).filter(({ line }) => line.includes("/resolve/")),
    [],
  );
  const sent = hub.log.length;
  assert.equal(await fetched({ ...own, offline: true }), place);
  assert.equal(await fetched(own, { ...name, revision: COMMIT }), place);
  assert.equal(hub.log.length, sent, "a commit, or no network: nobody is asked");
});

test("wherever connections break, it goes on from there, and what arrives is whole", async () => {
  const sizes = [...filesIn(model).values()].map(({ length }) => length);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 50_000, max: Math.max(...sizes) }), fc.boolean(), async (cutAfter, stops) => {
      const own = settings();
      let left = stops ? Number.POSITIVE_INFINITY : 3;
      const cut = () =>
        failing(
          (line) => (/\/(store|resolve)\//.test(line) && left-- > 0 ? { cutAfter } : undefined),
          () => fetched(own),
        );
      assertWhole(await cut());
    }),
    { numRuns: 4 },
  );
});

test("a download that stops leaves nothing that counts as whole, and the next goes on with what is there", async () => {
  const own = settings();
  let cuts = 2; // the first request asks for one byte, to learn the size
  const stopping = (line: string): Fault | undefined => {
    if (!line.includes("/store/")) return undefined;
    return cuts-- > 0 ? { cutAfter: 20 * LARGE } : { status: 502 };
  };
  await refuses(
    failing(stopping, () => fetched(own)),
    /broke off .*; the next one goes on from there/,
  );
  const blobs = join(own.cache, "models--golden--sft", "blobs");
  const partial = readdirSync(blobs).filter((file) => file.endsWith(".incomplete"));
  assert.equal(partial.length, 1);
  const kept = statSync(join(blobs, partial[0])).size;
  assert.ok(kept > 0);
  await refuses(fetched({ ...own, offline: true }), /HF_HUB_OFFLINE is set, and .* holds no whole copy/);
  const before = hub.log.length;
  assertWhole(await fetched(own));
  assert.ok(
    hub.log.slice(before).some(({ range }) => range?.startsWith(`bytes=${kept}-`)),
    "it went on from there",
  );
  assert.deepEqual(
    readdirSync(blobs).filter((file) => file.endsWith(".incomplete")),
    [],
  );
});

test("bytes of another hash are asked for again, and refused if they stay wrong; damage in the cache is mended", async () => {
  let wrong = 1;
  const own = settings();
  assertWhole(
    await failing(
      (line) => (line.includes("/store/") && wrong-- > 0 ? { wrong: true } : undefined),
      () => fetched(own),
    ),
  );
  const never = settings();
  await refuses(
    failing(
      (line) => (line.includes("/store/") ? { wrong: true } : undefined),
      () => fetched(never),
    ),
    /wrong hash/,
  );
  assert.ok(!existsSync(join(never.cache, "models--golden--sft", "snapshots", COMMIT, "model.safetensors")));
  const blobs = join(own.cache, "models--golden--sft", "blobs");
  for (const blob of readdirSync(blobs)) writeFileSync(join(blobs, blob), "cut");
  assertWhole(await fetched(own));
});

test("errors that pass are waited for, others told in one line; the copy in the cache serves where nobody answers", async () => {
  let [busy, calls] = [3, 0];
  const flaky = (): Fault | undefined =>
    calls++ % 2 === 0 && busy-- > 0 ? { status: 503, retryAfter: "0" } : undefined;
  const own = settings();
  assertWhole(await failing(flaky, () => fetched(own)));
  assert.ok(
    (
      await failing(
        () => ({ status: 500 }),
        () => fetched(own),
      )
    ).endsWith(COMMIT),
  );
  const gone = { ...settings(), endpoint: "http://127.0.0.1:9" };
  await refuses(fetched(gone), /golden\/sft: 127.0.0.1:9 cannot be reached \(.*\), and the cache holds no whole copy/);
  assert.ok((await fetched({ ...gone, cache: own.cache })).endsWith(COMMIT));
  await refuses(
    failing(
      () => ({ status: 500 }),
      () => fetched(settings()),
    ),
    /answered 500/,
  );
  await refuses(
    failing(
      () => ({ status: 403 }),
      () => fetched(settings()),
    ),
    /access must be asked for .* \(set HF_TOKEN\)/,
  );
  await refuses(
    fetched(settings(), { ...name, id: "golden/none" }),
    /no model of that name .* or it is private \(set HF_TOKEN\)/,
  );
  await refuses(fetched(settings(), { ...name, revision: "v9" }), /golden\/sft@v9: .* no such model or revision/);
});

test("a token goes to the Hub alone, not to the store that it sends large files from", async () => {
  hub.repos.set("golden/secret", { ...repo(), token: "hf_reader" });
  const secret = { ...name, id: "golden/secret" };
  await refuses(fetched(settings({ token: "hf_other" }), secret), /no such model/);
  const before = hub.log.length;
  await fetched(settings({ token: "hf_reader" }), secret);
  for (const { line, authorized } of hub.log.slice(before)) assert.equal(authorized, !line.includes("/store/"), line);
});

test("what a repository lacks is told by name; shards come with their index, and a configuration alone", async () => {
  const only = (...paths: readonly string[]): Repo => ({
    ...repo(),
    files: new Map(paths.map((path) => [path, Buffer.from("{}")])),
  });
  const cases: readonly (readonly [Repo, RegExp])[] = [
    [only("config.json", "pytorch_model.bin"), /no model.safetensors; its PyTorch .bin files must be converted/],
    [only("README.md"), /no config.json; is it a model/],
    [only("adapter_config.json", "adapter_model.safetensors"), /it is an adapter: give it as adapter_name_or_path/],
  ];
  for (const [content, message] of cases) {
    hub.repos.set("golden/odd", content);
    await refuses(fetched(settings(), { ...name, id: "golden/odd" }), message);
  }
  const shards = filesIn(goldenPath("llama3-tiny"));
  hub.repos.set("golden/shards", { ...repo(), files: shards });
  const place = await fetched(settings(), { ...name, id: "golden/shards" });
  assert.ok(!readdirSync(place).includes("golden.safetensors"));
  assert.ok(loadModel(place).layout.kind === "sharded");
  const config = await hubSnapshot(name, { settings: settings(), purpose: "config" });
  assertWhole(
    config,
    ["config.json", "generation_config.json"].filter((file) => filesIn(model).has(file)),
  );
});

test("names of the Hub, and the environment's settings", () => {
  const valid = { "Qwen/Qwen2.5-0.5B-Instruct": "main", "a/b@v1.0": "v1.0", "org/name@refs/pr/3": "refs/pr/3" };
  for (const [text, revision] of Object.entries(valid)) assert.equal(parseHubName(text)?.revision, revision, text);
  for (const text of [
    "gpt2",
    "./a/b",
    "/a/b",
    "a/b/c",
    "~/a",
    "a/rows.jsonl",
    "a/b@",
    "a/b@../x",
    "a--b/c",
    "..",
    "a/..",
  ])
    assert.equal(parseHubName(text), undefined, text);
  const home = { HF_HOME: "/h" };
  assert.deepEqual(hubSettings({ ...home, HF_TOKEN: " hf_x\n", HF_ENDPOINT: "http://m:1/" }), {
    ...{ endpoint: "http://m:1", token: "hf_x", cache: join("/h", "hub"), offline: false, pause: 500 },
  });
  assert.equal(hubSettings({ ...home, HF_HUB_CACHE: "/c", HF_HUB_OFFLINE: "1" }).offline, true);
  assert.throws(() => hubSettings({ ...home, HF_TOKEN: "secret" }), /begin with "hf_"/);
  assert.throws(() => hubSettings({ ...home, HF_ENDPOINT: "hub" }), /must be a URL/);
});

test("on the command line: a name of the Hub stands wherever a model folder may", async () => {
  const env = { ...noSettings, HF_ENDPOINT: hub.url, HF_HOME: join(folder, "home") };
  const args = [
    "generate",
    "--ids",
    "1,2,3",
    "--greedy",
    "--max-new-tokens",
    "4",
    "--device",
    "reference",
    "--json",
    "--model",
  ];
  const [here, there] = [await succeeds([...args, model]), await taugrad([...args, "golden/sft"], env)];
  assert.equal(there.code, 0, there.stderr);
  assert.equal(there.stdout, here.stdout);
  assert.match(there.stderr, /golden\/sft: model.safetensors, [\d.]+ MiB/);
  const none = await taugrad([...args, "golden/none"], env);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^taugrad: golden\/none: no model of that name at .*\n$/);
});

test("without the package that speaks to the Hub: one line says how to get it, and a whole copy in the cache serves", async () => {
  const hook =
    "export async function resolve(name, context, next) { if (/@huggingface[/]hub([.]js)?$/.test(name)) throw new Error('gone'); return next(name, context); }";
  const register = `import { register } from "node:module"; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
  const without = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(register)}` };
  const env = { ...noSettings, HF_ENDPOINT: hub.url, HF_HOME: join(folder, "bare"), ...without };
  const args = [
    "generate",
    "--ids",
    "1,2,3",
    "--greedy",
    "--max-new-tokens",
    "2",
    "--device",
    "reference",
    "--model",
    "golden/sft",
  ];
  const bare = await taugrad(args, env);
  assert.equal(bare.code, 2, bare.stderr);
  assert.equal(bare.stderr, "taugrad: golden/sft takes one more package: npm install @huggingface/hub\n");
  await fetched(settings({ cache: join(folder, "bare", "hub") }));
  const kept = await taugrad(args, env);
  assert.equal(kept.code, 0, kept.stderr);
  assert.match(kept.stderr, /npm install @huggingface\/hub; the copy in the cache serves/);
});
