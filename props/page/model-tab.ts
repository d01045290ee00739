/** The second view in the shared tab: what laws of it do there. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Device, read } from "../../core/index.js";
import { openCpu } from "../../kernels/index.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import { align, prepared } from "../../page/model/align.js";
import type { Alignment } from "../../page/model/messages.js";
import type { Tab } from "./tab.js";
import { unzipped } from "./unzip.js";

export const STATUS = "document.querySelector('#model-status').textContent";
export const FREE = "!document.querySelector('#say').disabled && !document.querySelector('#clear').disabled";
export const click = (id: string): string => `document.querySelector("#${id}").click()`;
export const fill = (id: string, value: string | number): string =>
  `{ const field = document.querySelector("#${id}"); field.value = ${JSON.stringify(value)}; field.dispatchEvent(new Event("change")); }`;

const PAIRS = ["rev abcd", "upr abca", "srt dcba", "nxt abcd"].map((request) =>
  JSON.stringify({
    prompt: [{ role: "user", content: request }],
    chosen: [{ role: "assistant", content: "sure! ok?" }],
    rejected: [{ role: "assistant", content: "no" }],
  }),
);
export const PAIRS_TEXT = `${PAIRS.join("\n")}\n`;

/** The view's settings, but for what is given. */
export const alignmentOf = (changed: Partial<Alignment> = {}): Alignment => ({
  ...{ optim: "adamw", loss: "sigmoid", knobs: { learningRate: 1e-5, beta: 0.1 } },
  ...{ steps: 2, batch: 2, maxLength: 64, lora: false },
  ...changed,
});

/** Fills the form in, and begins. */
export const beginAlignment = async ({ ask, choose, folder }: Tab, alignment: Alignment): Promise<void> => {
  const file = join(folder, "pairs.jsonl");
  writeFileSync(file, PAIRS_TEXT);
  await choose("#pairs", [file]);
  const { optim, loss, steps, batch, maxLength, lora } = alignment;
  for (const [id, value] of Object.entries({ optim, loss, steps, batch, length: maxLength }))
    await ask(fill(id, value));
  await ask(`document.querySelector("#lora").checked = ${lora}; ${click("align-go")}`);
};

/** Aligns in the view until it is done. */
export const alignThere = async (tab: Tab, alignment: Alignment): Promise<void> => {
  await beginAlignment(tab, alignment);
  await tab.until(`${STATUS}.startsWith('Aligned, in ${alignment.steps} steps') && ${FREE}`);
};

/** The model that the view hands back, as a folder of the disk. */
export const handedBack = async ({ folder, ask, until }: Tab): Promise<string> => {
  await ask(
    "{ const make = globalThis.make ??= URL.createObjectURL; URL.createObjectURL = (blob) => { globalThis.zip = blob; return make.call(URL, blob); } }",
  );
  await ask(click("save-zip"));
  await until(`${STATUS}.startsWith('Written') && ${FREE}`);
  const text = await ask<string>(
    "new Promise((then) => { const reader = new FileReader(); reader.onload = () => then(reader.result.split(',')[1]); reader.readAsDataURL(zip); })",
  );
  const home = mkdtempSync(join(folder, "home-"));
  for (const [name, bytes] of unzipped(Buffer.from(text, "base64")))
    writeFileSync(join(home, name.split("/")[1]), bytes);
  return home;
};

/** The same alignment in Node, on the model that the builder trained: what its weights are after so many steps. */
export const inNode = async (
  folder: string,
  alignment: Alignment,
  steps = alignment.steps,
): Promise<Record<string, unknown>> => {
  const device: Device = await openCpu();
  const from = join(folder, "start", "tuned");
  const lesson = { model: loadModel(from, device), tokenizer: loadTokenizer(from), base: undefined };
  const pairs = new File([PAIRS_TEXT], "pairs.jsonl");
  const ready = await prepared({ ...lesson, pairs, alignment });
  let taken = 0;
  const { params } = await align(ready, device, { onStep: () => {}, isStopped: async () => ++taken === steps });
  const numbers: Record<string, unknown> = {};
  for (const [name, t] of Object.entries(params)) numbers[name] = await read(t);
  await device.close();
  return numbers;
};

/** A folder holds just these weights. */
export const holdsWeights = async (home: string, wanted: Record<string, unknown>): Promise<void> => {
  const { params } = loadModel(home);
  assert.deepEqual(Object.keys(params).sort(), Object.keys(wanted).sort());
  for (const [name, t] of Object.entries(params)) assert.deepEqual(await read(t), wanted[name], `${name} differs`);
};

/** A folder of files by name, to be chosen. */
export const madeFolder = (folder: string, name: string, files: Readonly<Record<string, string | Buffer>>): string => {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(at, file), content);
  return at;
};
