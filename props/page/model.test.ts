/** Laws of the page's second view in a browser: a visitor's model is talked with, aligned and handed back, and what cannot be is refused. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer } from "../../models/index.js";
import { goldenPath } from "../golden/files.js";
import {
  alignmentOf,
  alignThere,
  click,
  FREE,
  fill,
  handedBack,
  holdsWeights,
  inNode,
  madeFolder,
  PAIRS_TEXT,
  STATUS,
} from "./model-tab.js";
import { FORBIDDING, law } from "./tab.js";

law(
  "a chosen folder is aligned, and handed back as Node would have made it, where storage is forbidden too",
  async (tab) => {
    const { folder, go, until, choose } = tab;
    await go("#model", FORBIDDING);
    await until(`${STATUS}.startsWith('No model yet')`);
    await choose("#choose-files", [join(folder, "start", "tuned")]);
    await until(`${STATUS}.startsWith('Ready') && ${FREE}`);
    const alignment = alignmentOf({ lora: true, loss: "kto" });
    await alignThere(tab, alignment);
    const home = await handedBack(tab);
    await holdsWeights(home, await inNode(folder, alignment));
    assert.equal(loadTokenizer(home).renderChat([{ role: "user", content: "hi" }]), "<bos><u>hi");
  },
);

/** Files of pairs with a fault, and what is said of it. */
const FAULTS: readonly (readonly [text: string, said: RegExp])[] = [
  [`${PAIRS_TEXT}{"prompt": 1}\n`, /^wrong\.jsonl:5: /],
  [`${PAIRS_TEXT}{"prompt": "a", "chosen": "b"}\n`, /^wrong\.jsonl:5: /],
  [`${PAIRS_TEXT}{"prompt": "a", "chosen": "b", "rej`, /^wrong\.jsonl:5: /],
  ["", /^wrong\.jsonl: /],
  ["PK\u0003\u0004\u0000\u0000", /^wrong\.jsonl:1: /],
];

law(
  "pairs that cannot be read, and a merge without its base, are refused in a line, and what was stays",
  async (tab) => {
    const { folder, ask, until, choose } = tab;
    const file = join(folder, "wrong.jsonl");
    for (const [text, said] of FAULTS) {
      writeFileSync(file, text);
      await choose("#pairs", [file]);
      await ask(click("align-go"));
      await until(`${STATUS} !== "Reading the pairs …" && ${FREE}`);
      const line = await ask<string>(STATUS);
      assert.match(line, said);
      assert.ok(!line.includes("\n"), line);
    }
    await ask(`document.querySelector("#lora").checked = false; ${fill("optim", "onties")}; ${click("align-go")}`);
    await until(`${STATUS} === "onties merges with τ: give the model that this one was tuned from, too" && ${FREE}`);
    writeFileSync(file, PAIRS_TEXT);
    await choose("#pairs", [file]);
    await choose("#base-files", [goldenPath("preferences", "sft")]);
    await until(`${STATUS}.startsWith("Ready, with τ") && ${FREE}`);
    await ask(click("align-go"));
    await until(`/must be one architecture$/.test(${STATUS}) && ${FREE}`);
    assert.doesNotMatch(await ask<string>(STATUS), /\n/);
    assert.equal(await ask("document.querySelector('[value=after]').disabled"), false, "it is aligned as before");
    await ask(fill("optim", "adamw"));
  },
);

law("a damaged folder, and one that holds no model, are refused by name; the model of before stays", async (tab) => {
  const { folder, ask, until, choose } = tab;
  const of = (name: string): Buffer => readFileSync(join(folder, "start", "tuned", name));
  const whole = Object.fromEntries(
    ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"].map((name) => [name, of(name)]),
  );
  const damaged: readonly (readonly [string, Record<string, string | Buffer>, RegExp])[] = [
    ["empty", { "notes.txt": "none" }, /tokenizer.json/],
    ["torn", { ...whole, "model.safetensors": whole["model.safetensors"].subarray(0, 9999) }, /model\.safetensors: /],
    ["unread", { ...whole, "config.json": "{" }, /config\.json: /],
    ["other", { ...whole, "config.json": '{"model_type": "bert"}' }, /bert/],
    ["garbled", { ...whole, "tokenizer.json": "[]" }, /tokenizer\.json/],
  ];
  for (const [name, files, said] of damaged) {
    await choose("#choose-files", [madeFolder(folder, name, files)]);
    await until(`${STATUS}.includes(${JSON.stringify(name)}) && ${FREE}`);
    const line = await ask<string>(STATUS);
    assert.match(line, said);
    assert.ok(!line.includes("\n"), line);
  }
});
