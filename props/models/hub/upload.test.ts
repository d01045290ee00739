/** A finished run goes to the Hub as it lies in its folder; what forbids that is told before the first step. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { scratch, taugrad } from "../../cli/cli.js";
import { goldenPath } from "../../golden/files.js";
import { COMMIT, hubServer, noSettings } from "./server.js";

const hub = await hubServer();
after(hub.close);
const folder = scratch();
const env = { ...noSettings, HF_ENDPOINT: hub.url, HF_HOME: join(folder, "home") };
const out = join(folder, "run");
const args = [
  ...["dpo", "--model_name_or_path", "golden/sft", "--dataset_name", "golden/rows"],
  ...["--max_steps", "2", "--save_steps", "1", "--use_peft", "--device", "cpu", "--max_length", "64"],
];
const model = goldenPath("preferences", "sft");
const files = readdirSync(model).map((name): [string, Buffer] => [name, readFileSync(join(model, name))]);
const rows = readFileSync(goldenPath("preferences", "chat.jsonl"));
/** Rows as data sets of the Hub have them: files of splits below data/, and a card. */
const dataset = { "README.md": Buffer.from("# rows\n"), "data/train-00000.jsonl": rows, "data/test-00000.jsonl": rows };
hub.repos.set("golden/rows", { type: "dataset", commit: COMMIT, files: new Map(Object.entries(dataset)) });
hub.repos.set("golden/sft", { type: "model", commit: COMMIT, files: new Map(files) });

test("a model of the Hub is trained, and uploaded: every file of the folder but checkpoints", async () => {
  const ended = await taugrad([...args, "--push_to_hub", "--hub_model_id", "tuned", "--output_dir", out], {
    ...env,
    HF_TOKEN: "hf_writer",
  });
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, new RegExp(`the model is at ${hub.url}/writer/tuned`));
  const sent = hub.repos.get("writer/tuned")?.files ?? new Map<string, Buffer>();
  const finished = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(out.length + 1)
        .replaceAll("\\", "/"),
    )
    .filter((path) => !path.startsWith("checkpoint-") && !path.startsWith("."));
  assert.deepEqual([...sent.keys()].sort(), finished.sort());
  for (const [path, content] of sent) assert.ok(content.equals(readFileSync(join(out, path))), path);
  assert.match(sent.get("README.md")?.toString() ?? "", /base_model: golden\/sft/);
  const adapter = JSON.parse(sent.get("adapter/adapter_config.json")?.toString() ?? "{}") as Record<string, unknown>;
  assert.equal(adapter.base_model_name_or_path, "golden/sft");
});

test("without a token, with one that is refused, or for a name that cannot be: refused before the first step", async () => {
  const never = join(folder, "never");
  const cases: readonly (readonly [Readonly<Record<string, string>>, readonly string[], RegExp])[] = [
    [{ HF_TOKEN: "" }, [], /push_to_hub needs an access token with write permission: set HF_TOKEN/],
    [{ HF_TOKEN: "hf_reader" }, [], /answered 401: the token of HF_TOKEN is not valid/],
    [{ HF_TOKEN: "hf_writer" }, ["--hub_model_id", "a/b/c"], /hub_model_id is "a\/b\/c"; it must be owner\/name/],
  ];
  for (const [token, more, message] of cases) {
    const { code, stderr } = await taugrad([...args, "--push_to_hub", ...more, "--output_dir", never], {
      ...env,
      ...token,
    });
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    assert.ok(!existsSync(never));
  }
});
