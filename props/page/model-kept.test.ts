/** Laws of what the second view keeps: a tab that is closed goes on where it was, and to the same bits. */
import assert from "node:assert/strict";
import {
  alignmentOf,
  beginAlignment,
  click,
  FREE,
  fill,
  handedBack,
  holdsWeights,
  inNode,
  STATUS,
} from "./model-tab.js";
import { law } from "./tab.js";

/** Puts the tuned model into a folder of the browser's own storage, which a visitor then chooses. */
const PUT = `(async () => {
  const to = await (await navigator.storage.getDirectory()).getDirectoryHandle("chosen", { create: true });
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "chat_template.jinja"]) {
    const response = await fetch("start/tuned/" + name);
    if (!response.ok) continue;
    const file = await (await to.getFileHandle(name, { create: true })).createWritable();
    await file.write(await response.arrayBuffer());
    await file.close();
  }
  globalThis.picked = "chosen";
})()`;
/** A digest of a file in a folder of that storage. */
const digestOf = (folder: string, name: string): string => `(async () => {
  const from = await (await navigator.storage.getDirectory()).getDirectoryHandle("${folder}");
  const bytes = await (await (await from.getFileHandle("${name}")).getFile()).arrayBuffer();
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].join();
})()`;
const STEPS = "heard.filter(({ kind }) => kind === 'step').map(({ step }) => step)";

law("a tab that is closed while it aligns goes on when it is opened, to the bits that would have come", async (tab) => {
  const { folder, go, ask, until } = tab;
  await go("#model");
  await until(`${STATUS}.includes('computed by') || ${FREE}`);
  await ask(PUT);
  await ask(click("choose"));
  await until(`${STATUS}.startsWith('Ready') && ${FREE}`);
  await ask(`document.querySelector("#text").value = "rev abcd"; ${click("say")}`);
  await until(FREE);
  const said = await ask<string>("document.querySelector('#said').innerText");
  const alignment = alignmentOf({ steps: 30, lora: true });
  await beginAlignment(tab, alignment);
  await until(`${STEPS}.length > 3`);
  await go("#model");
  await until(`${STEPS}.length > 3`);
  const [from] = await ask<number[]>(STEPS);
  assert.ok(from > 1 && from < 30, `it went on from step ${from}`);
  assert.equal(await ask("document.querySelector('#steps').value"), "30");
  await until(`${STATUS}.startsWith('Aligned, in 30 steps') && ${FREE}`);
  assert.equal(await ask("document.querySelector('#said').innerText"), said);
  const wanted = await inNode(folder, alignment);
  await holdsWeights(await handedBack(tab), wanted);
});

law("an alignment that is stopped stays as it is when the tab is opened again, in a chosen folder too", async (tab) => {
  const { go, ask, until } = tab;
  await ask(`heard.length = 0; ${fill("align-learningRate", 8)}`);
  await beginAlignment(tab, alignmentOf({ steps: 400, loss: "ipo", lora: false }));
  await until(`${STEPS}.length > 2`);
  await ask(click("align-stop"));
  await until(`${STATUS}.startsWith('Aligned, in') && ${FREE}`);
  const said = await ask<string>(STATUS);
  assert.match(said, /^Aligned, in \d{1,3} steps/);
  const save = async (picked: string): Promise<string> => {
    await ask(`globalThis.picked = "${picked}"; ${click("save-folder")}`);
    await until(`${STATUS} === "Written: ${picked}." && ${FREE}`);
    return ask(digestOf(picked, "model.safetensors"));
  };
  const before = await save("before");
  assert.notEqual(before, await ask(digestOf("chosen", "model.safetensors")));
  await go("#model");
  await until(`${STATUS}.startsWith('Aligned, in') && ${FREE}`);
  assert.equal(await ask(STATUS), said);
  assert.equal(await ask("document.querySelector('#loss').value"), "ipo");
  assert.deepEqual(await ask(STEPS), [], "nothing is trained again");
  assert.equal(await save("after"), before);
});

law("a model that has changed since begins anew; what is let go of is gone", async ({ go, ask, until }) => {
  const CHANGE = `(async () => {
    const from = await (await navigator.storage.getDirectory()).getDirectoryHandle("chosen");
    const handle = await from.getFileHandle("model.safetensors");
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    bytes[bytes.length - 1] ^= 1;
    const file = await handle.createWritable();
    await file.write(bytes);
    await file.close();
  })()`;
  await ask(CHANGE);
  await go("#model");
  await until(`${STATUS}.startsWith('Ready') && ${FREE}`);
  assert.equal(await ask("document.querySelector('[value=after]').disabled"), true);
  assert.equal(await ask("document.querySelector('#said').innerText"), "");
  await ask(click("clear"));
  await until(`${STATUS}.startsWith('Let go of')`);
  await go("#model");
  await until(`${STATUS}.startsWith('No model yet')`);
  const left =
    "navigator.storage.getDirectory().then((all) => all.getDirectoryHandle('taugrad-model')).then(async (own) => { const names = []; for await (const name of own.keys()) names.push(name); return names; })";
  assert.deepEqual(await ask(left), []);
});
