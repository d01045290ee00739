/** The model card's front matter: where the model comes from, and under which license. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { resolveValues } from "../../../cli/config.js";
import { modelCard } from "../../../run/outputs/model-card.js";
import { scratch } from "../../cli/cli.js";

const folder = scratch();

const cardOf = async (
  origin: string | undefined,
  before?: string,
): Promise<readonly [Record<string, unknown>, string]> => {
  if (before !== undefined) writeFileSync(join(folder, "README.md"), before);
  const keys = { model_name_or_path: folder, dataset_name: "d", output_dir: "runs/my model", optim: "ondare" };
  const card = await modelCard({
    label: "dpo",
    values: await resolveValues("dpo", new Map(Object.entries(keys)) as never),
    call: ["dpo", "--output_dir", "runs/my model", "--optim", "it's"],
    device: "cpu",
    origin,
    fingerprint: undefined,
    steps: 7,
    records: [{ step: 7, loss: "NaN" }],
  });
  return [parse(/^---\n([\s\S]*?)\n---\n/.exec(card)?.[1] ?? "") as Record<string, unknown>, card];
};

test("the license of the model before is passed on, and a base model only if the Hub has such a name", async () => {
  const [plain] = await cardOf(undefined);
  assert.deepEqual(plain, {
    library_name: "transformers",
    pipeline_tag: "text-generation",
    model_name: "my model",
    tags: ["taugrad", "dpo", "ondare"],
  });
  const [known] = await cardOf("Qwen/Qwen1.5-1.8B", "---\nlicense: other\nlicense_name: q\ntags: [x]\n---\n# Q\n");
  const { base_model, license, license_name, tags } = known;
  assert.deepEqual([base_model, license, license_name, tags], ["Qwen/Qwen1.5-1.8B", "other", "q", plain.tags]);
  for (const path of ["/models/q", "../q", "q"]) assert.ok(!("base_model" in (await cardOf(path))[0]), path);
});

test("another's broken card costs nothing, and the command is one that a shell takes", async () => {
  for (const broken of ["", "---\nlicense: [\n---\n", "no front matter", "---\n- a list\n---\n"]) {
    const [front, card] = await cardOf(undefined, broken);
    assert.ok(!("license" in front));
    assert.ok(card.includes("taugrad dpo --output_dir 'runs/my model' --optim 'it'\\''s'\n"));
    assert.ok(card.includes("| loss | NaN |"));
  }
});

test("names and texts are shown by Markdown and HTML, and read by neither", async () => {
  const evil = "<img src=x onerror=alert(1)> [a](javascript:b) `c` ``` *d* \u001b[2J\u202e|e";
  const keys = { model_name_or_path: evil, dataset_name: evil, output_dir: `runs/${evil}` };
  const card = await modelCard({
    label: "dpo",
    values: await resolveValues("dpo", new Map(Object.entries(keys)) as never),
    call: ["dpo", "--output_dir", `${evil}\n\`\`\`\n<script>`],
    device: "cpu",
    origin: undefined,
    fingerprint: undefined,
    steps: 7,
    records: [{ step: 7, loss: 1, [`tasks/${evil}`]: 1 }],
  });
  assert.ok(!/[^\P{Cc}\n\t]|[\u202a-\u202e]/u.test(card), "no control characters");
  // What stands in fences and code is shown as it is: a fence ends where one as long stands alone.
  const text = card
    .replace(/^---\n[\s\S]*?\n---\n/, "")
    .replace(/^(`{3,})[^`\n]*\n[\s\S]*?^\1$/gm, "")
    .replace(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, "");
  assert.ok(!/<|(?<!\\)[[*|]e|(?<!\\)\[a/.test(text), text);
  assert.match(text, /^# &lt;img src=x onerror=alert\\\(1\\\)&gt; \\\[a\\\]/m);
});
