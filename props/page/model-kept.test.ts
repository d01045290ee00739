/** Laws of what the second view keeps: a tab that is closed goes on where it was, and to the same bits. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { alignmentOf, beginAlignment, click, FREE, handedBack, holdsWeights, inNode, STATUS } from "./model-tab.js";
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
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
})()`;
const STEPS = "heard.filter(({ kind }) => kind === 'step').map(({ step }) => step)";

law(
  "a tab that is closed while it aligns, or loses its GPU, goes on, and what is stopped stays: the bits of Node, undisturbed",
  async (tab) => {
    const { folder, go, ask, until, computeOn, send } = tab;
    await go("#model");
    await until(`${STATUS}.startsWith('No model yet')`);
    await ask(PUT);
    await ask(click("choose"));
    await until(`${STATUS}.startsWith('Ready') && ${FREE}`);
    await ask(`document.querySelector("#text").value = "rev abcd"; ${click("say")}`);
    await until(FREE);
    const said = await ask<string>("document.querySelector('#said').innerText");
    assert.match(said, /^you\s+rev abcd\s+model/);
    assert.ok(await ask("heard.some(({ kind }) => kind === 'piece')"));
    const alignment = alignmentOf({ steps: 400, loss: "ipo" });
    await beginAlignment(tab, alignment);
    await until(`${STEPS}.length > 1`);
    await go("#model");
    await until(`${STEPS}.length > 0`);
    const [from] = await ask<number[]>(STEPS);
    assert.ok(from > 1, "it went on, and did not begin anew");
    assert.deepEqual(await ask("['steps', 'loss'].map((id) => document.querySelector('#' + id).value)"), [
      "400",
      "ipo",
    ]);
    await computeOn("webgpu");
    await until("heard.some(({ kind, description }) => kind === 'device' && description.startsWith('webgpu'))");
    await send("Browser.crashGpuProcess");
    const note = "document.querySelector('#model-note').textContent";
    await until(`/the device was lost .*It goes on from what is kept here/.test(${note})`);
    await computeOn("auto");
    await ask("void (heard.length = 0)");
    await until(`${STEPS}.length > 0`);
    await ask(click("align-stop"));
    await until(`${STATUS}.startsWith('Aligned, in ') && ${FREE}`);
    const status = await ask<string>(STATUS);
    const taken = Number(/\d+/.exec(status)?.[0]);
    assert.ok(taken >= from && taken < 400, `${status} It had gone on with step ${from}.`); // that step itself, if it was not kept yet
    assert.equal(await ask("document.querySelector('#said').innerText"), said);
    // Opened again: nothing is trained, and the same is there; into a chosen folder, too.
    await go("#model");
    await until(`${STATUS}.startsWith('Aligned, in') && ${FREE}`);
    assert.equal(await ask(STATUS), status);
    assert.deepEqual(await ask(STEPS), []);
    const home = await handedBack(tab);
    await holdsWeights(home, await inNode(folder, alignment, taken));
    await ask(`globalThis.picked = "home"; ${click("save-folder")}`);
    await until(`${STATUS} === "Written: home." && ${FREE}`);
    const bytes = createHash("sha256")
      .update(readFileSync(join(home, "model.safetensors")))
      .digest("hex");
    assert.equal(await ask(digestOf("home", "model.safetensors")), bytes);
  },
);

/** As after a tab that died while it restored what it kept. */
const DIED = `new Promise((then) => {
  const opening = indexedDB.open("taugrad-model");
  opening.onsuccess = () => {
    const writing = opening.result.transaction("kept", "readwrite");
    writing.objectStore("kept").put(true, "risk");
    writing.oncomplete = () => { opening.result.close(); then(); };
  };
})`;

law(
  "what ended badly waits for a click; a model that has changed begins anew; what is let go of is gone",
  async ({ go, ask, until }) => {
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
    await ask(DIED);
    await go("#model");
    await until(`${STATUS}.startsWith('It was left in the middle')`);
    assert.equal(await ask("document.querySelector('#go-on').innerText"), "Go on with chosen");
    await ask(click("go-on"));
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
  },
);
