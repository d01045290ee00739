/** What `taugrad merge` refuses: one line, exit code 2, nothing written. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/errors.js";
import { openSafetensors } from "../../../models/files/safetensors.js";
import { sideFilesOf } from "../../../models/files/side-files.js";
import { planMerge } from "../../../run/merge/plan.js";
import { readRecipe } from "../../../run/merge/recipe.js";
import { runMerge } from "../../../run/merge/run.js";
import { reference } from "../../close.js";
import { goldenPath } from "../../golden/files.js";
import { tries } from "../../reach.js";

import { inside } from "../inside.js";
import { at, folder, model, recipe } from "./merge-models.js";

const [base, a, b] = [await model("base", { seed: 1 }), await model("a", { seed: 2 }), await model("b", { seed: 3 })];
const parts = (x: object, y: object) => [
  { model: a, parameters: x },
  { model: b, parameters: y },
];

test("merge refuses: one line, exit code 2, nothing written", async () => {
  const sft = goldenPath("preferences", "sft");
  const half = { weight: 0.5 };
  const good = { merge_method: "ties", base_model: base, models: parts(half, half) };
  const other = await model("other", { seed: 8, change: { intermediate_size: 14 } });
  const shallow = await model("shallow", { seed: 8, change: { num_hidden_layers: 2 } });
  const deep = await model("deep", { seed: 8, change: { num_hidden_layers: 4 } });
  const withModel = (from: string) => ({ ...good, models: [{ model: from, parameters: half }] });
  const bad: readonly (readonly [content: unknown, pattern: RegExp])[] = [
    ["merge_method: ties\n  models: [", /refused-0.yaml:\d+: is not YAML/],
    ["- ties", /must hold "key: value" lines/],
    ["", /merge_method is missing/],
    [{ ...good, merge_method: "tise" }, /"tise"; did you mean "ties"\?/],
    [{ ...good, merge_method: "breadcrumbs" }, /merge_method is "breadcrumbs".*(linear|ties)/],
    [{ ...good, merge_method: "slerp" }, /slerp needs parameters: \{t: …\}/],
    [{ ...good, merge_method: "slerp", parameters: { t: 1.5 } }, /t is 1.5; it must be a number in \[0, 1\]/],
    [{ ...good, merge_method: "slerp", parameters: { t: 0.5 } }, /slerp goes from base_model to one other model/],
    [{ ...good, merge_method: "nuslerp", models: good.models.slice(1) }, /there are 1 models; it takes two/],
    [
      { ...good, merge_method: "nuslerp", parameters: { nuslerp_row_wise: true } },
      /nuslerp_row_wise is true: the angle/,
    ],
    [{ ...good, base_model: undefined }, /ties needs base_model/],
    [{ ...good, modles: [] }, /unknown key "modles"; did you mean "models"\?/],
    [{ ...good, slices: [{}] }, /slices: layers are not rearranged/],
    [{ ...good, models: [] }, /models is \[\]/],
    [{ ...good, models: [{ model: base, parameters: half }] }, /nothing beside the base model/],
    [{ ...good, models: [{ model: a, weight: 1 }] }, /models\[0\]: unknown key "weight"/],
    [{ ...good, models: [{ model: a, parameters: { wieght: 1 } }] }, /did you mean "weight"\?/],
    [
      { ...good, models: [{ model: a, parameters: { ...half, normalize: true } }] },
      /normalize holds for the whole merge/,
    ],
    [{ ...good, models: [{ model: a }] }, /has no weight for tensor "/],
    [{ ...good, models: parts({ weight: [{ filter: "mlp", value: 1 }] }, half) }, /has no weight for tensor "/],
    [{ ...good, models: parts({ weight: "much" }, half) }, /weight is "much"; it must be a number/],
    [
      { ...good, models: parts({ weight: [1, 1e39] }, half) },
      /weight is 1e\+39; it must be a number in \[-3\.4e\+38, 3\.4e\+38\]/,
    ],
    [{ ...good, models: parts({ weight: [] }, half) }, /empty list/],
    [{ ...good, models: parts({ weight: [{ filtre: "x", value: 1 }] }, half) }, /did you mean "filter"\?/],
    [{ ...good, models: parts({ ...half, density: 1.5 }, half) }, /density is 1.5; it must be a number in \[0, 1\]/],
    [{ ...good, parameters: { normalise: true } }, /did you mean "normalize"\?/],
    [{ ...good, parameters: { normalize: "yes" } }, /normalize is "yes"; it must be true or false/],
    [{ ...good, parameters: { lambda: [{ value: "x" }] } }, /lambda is "x"/],
    [{ ...good, dtype: "float23" }, /dtype is "float23"; did you mean "float32"\?/],
    [{ ...good, out_dtype: "int8" }, /out_dtype is "int8"/],
    [{ ...good, tokenizer_source: "union" }, /union is not supported/],
    [withModel(at("nowhere")), /nowhere: no such folder/],
    [withModel(`${a}+adapter`), /MODEL\+ADAPTER is not supported/],
    [withModel(folder), /holds no config.json/],
    [withModel(other), /tensor "model\.layers\.0\.mlp\..*other has \[12, 14\], .*base \[12, 10\]/],
    [withModel(shallow), /shallow: tensor "model\.layers\.2\..*is missing/],
    [withModel(deep), /deep: tensor "model\.layers\.3\..* is not in/],
    [withModel(sft), /is a qwen2 model, .* a llama model/],
    [
      { merge_method: "linear", models: parts({ weight: [{ filter: "norm", value: -0.5 }, { value: 1 }] }, half) },
      /norm.*the weights sum to 0/,
    ],
  ];
  const out = at("refused");
  const refuses = async (args: readonly string[], pattern: RegExp): Promise<void> => {
    const { code, stdout, stderr } = await inside(["merge", ...args]);
    assert.equal(code, 2, `${args.join(" ")}\n${stderr}`);
    assert.match(stderr, /^taugrad: [^\n]+\n$/);
    assert.match(stderr, pattern);
    assert.equal(stdout, "");
    assert.ok(!existsSync(out));
  };
  for (const [i, [content, pattern]] of bad.entries()) await refuses([recipe(`refused-${i}`, content), out], pattern);
  const path = recipe("fine", good);
  await refuses([], /needs --recipe CONFIG.yaml/);
  await refuses([path], /needs --out OUT/);
  await refuses([path, out, "more"], /takes no argument "more"/);
  await refuses([at("none.yaml"), out], /none.yaml: no such file/);
  await refuses([path, a], /is one of the models to be merged/);
  await refuses([path, path], /is a file/);
  await refuses([path, out, "--out-shard-size", "5X"], /number of parameters/);
  assert.deepEqual(
    readdirSync(a).filter((name) => name.includes("tmp")),
    [],
  );
});

test("law: what is not finite in a model, or would not be as it is stored, ends a merge by tensor, element and count", async () => {
  const [name, size] = ["model.layers.1.mlp.down_proj.weight", 120];
  const drawn = fc.record({
    value: fc.constantFrom(Number.NaN, Number.NEGATIVE_INFINITY, 65519, -65520, 3.39e38, 3.4e38),
    places: fc.uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: 3 }),
    dtype: fc.constantFrom("float32", "float16", "bfloat16"),
    merge_method: fc.constantFrom("linear", "ties"),
    weight: fc.constantFrom(1, 3e38),
  });
  const limits: Record<string, number> = { float32: 2 ** 128, float16: 65520, bfloat16: 3.396e38 };
  const out = at("out-hurt");
  const hurt = await model("hurt", { seed: 4 });
  const file = join(hurt, "model.safetensors");
  const whole = readFileSync(file);
  const { tensors } = openSafetensors(file);
  const stored = tensors.get(name);
  assert.ok(stored && stored.end - stored.begin === 4 * size);
  const start = 8 + Number(whole.readBigUInt64LE()) + stored.begin;
  await fc.assert(
    fc.asyncProperty(drawn, async ({ value, places, dtype, merge_method, weight }) => {
      rmSync(out, { recursive: true, force: true });
      const bytes = Buffer.from(whole);
      for (const place of places) bytes.writeFloatLE(value, start + 4 * place);
      writeFileSync(file, bytes);
      const models = [{ model: hurt, parameters: { weight } }];
      const path = recipe("hurt", {
        merge_method,
        models,
        dtype,
        parameters: { normalize: false },
        ...(merge_method === "ties" && { base_model: base }),
      });
      const read = await readRecipe(path);
      const target = { folder: out, tokenizer: sideFilesOf(base), seed: 0, shardSize: undefined };
      const merging = runMerge(planMerge(read), read, target, reference);
      if (weight === 1 && Math.abs(value) < limits[dtype]) await merging;
      else {
        const [first] = [...places].sort((x, y) => x - y);
        const own = weight === 1; // else another tensor may be the first
        await assert.rejects(merging, (error: Error) => {
          assert.ok(error instanceof InputError && !error.message.includes("\n"));
          if (own)
            assert.ok(
              error.message.includes(`tensor "${name}" holds`) && error.message.includes(`at element ${first}`),
            );
          if (own && places.length > 1)
            assert.ok(error.message.includes(`and ${places.length - 1} more`), error.message);
          return true;
        });
        assert.ok(!existsSync(out));
      }
    }),
    { numRuns: tries(12) },
  );
});

test("merge: a truncated model is found out before anything is written", async () => {
  const broken = await model("broken", { seed: 9 });
  const weights = join(broken, "model.safetensors");
  writeFileSync(weights, readFileSync(weights).subarray(0, -100));
  const content = { merge_method: "linear", models: [{ model: broken, parameters: { weight: 1 } }] };
  const { code, stderr } = await inside(["merge", recipe("broken", content), at("out-broken")]);
  assert.deepEqual([code, existsSync(at("out-broken"))], [2, false]);
  assert.match(stderr, /^taugrad: .*broken.*safetensors[^\n]+\n$/);
});

test("merge: another model's tokenizer is taken where its ids are the same, else refused by the token", async () => {
  const [sft, policy] = ["sft", "policy"].map((name) => goldenPath("preferences", name));
  const strange = at("strange");
  cpSync(sft, strange, { recursive: true });
  const path = join(strange, "tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(path, "utf8")) as { model: { vocab: Record<string, number> } };
  const [[first, id], [second, next]] = Object.entries(tokenizer.model.vocab);
  rmSync(path);
  Object.assign(tokenizer.model.vocab, { [first]: next, [second]: id });
  writeFileSync(path, JSON.stringify(tokenizer));
  const from = (source: string, other: string) =>
    recipe("tokens", {
      merge_method: "linear",
      models: [policy, other].map((model) => ({ model, parameters: { weight: 1 } })),
      tokenizer_source: source,
    });
  const out = at("out-tokens");
  const refused = await inside(["merge", from(strange, strange), out]);
  assert.deepEqual([refused.code, existsSync(out)], [2, false]);
  assert.match(refused.stderr, /^taugrad: .*strange and .*policy differ in token [^\n]+\n$/);
  const told = await inside(["merge", from("base", strange), out]);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stderr, /note: .*strange and .*policy differ in token/);
  const other = await inside(["merge", from(sft, sft), out]);
  assert.equal(other.code, 2, other.stderr);
  assert.match(other.stderr, /holds [^\n]+ of another run \(other recipe, [^\n]+\), which would be overwritten/);
  const same = await inside(["merge", from(sft, sft), out, "--overwrite-output-dir"]);
  assert.equal(same.code, 0, same.stderr);
  assert.doesNotMatch(same.stderr, /differ/);
  assert.equal(readFileSync(join(out, "tokenizer.json"), "utf8"), readFileSync(join(sft, "tokenizer.json"), "utf8"));
});
