/** Laws of the page in a browser: it opens at once, trains, goes on where it was left, and keeps a visitor's model to itself. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { read } from "../../core/index.js";
import { openCpu } from "../../kernels/index.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import type { Shown } from "../../page/lab/messages.js";
import { align } from "../../page/model/align.js";
import type { Alignment } from "../../page/model/messages.js";
import { nameless, poorContrast } from "./access.js";
import { openTab, type Tab } from "./tab.js";
import { unzipped } from "./unzip.js";

let tab: Tab | string;
before(async () => {
  tab = await openTab();
});
after(async () => {
  if (typeof tab === "object") await tab.close();
});

const law = (title: string, run: (tab: Tab) => Promise<void>): void => {
  test(`the page: ${title}`, async (t) => {
    if (typeof tab === "string") return t.skip(tab);
    await run(tab);
    assert.deepEqual(tab.faults, []);
  });
};

const STATUS = "document.querySelector('#status').textContent";
const DONE = `${STATUS}.startsWith('Aligned')`;
/** What the browser keeps of the lab under a name. */
const kept = (name: string): string => `new Promise((then, fail) => {
  const opening = indexedDB.open("taugrad-lab");
  opening.onerror = fail;
  opening.onsuccess = () => {
    const got = opening.result.transaction("kept").objectStore("kept").get("${name}");
    got.onsuccess = () => { opening.result.close(); then(got.result?.shown ?? got.result); };
  };
})`;
const click = (id: string): string => `document.querySelector("#${id}").click()`;
const turn = (id: string, place: number): string =>
  `{ const knob = document.querySelector("#${id}"); knob.value = ${place}; knob.dispatchEvent(new Event("input")); knob.dispatchEvent(new Event("change")); }`;

law("its first picture comes within two seconds, and three alignments are drawn", async ({ go, ask, until }) => {
  await go("");
  const painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime";
  await until(`${painted} !== undefined`);
  assert.ok((await ask<number>(painted)) < 2000);
  await until(DONE);
  assert.equal(await ask("document.querySelectorAll('#plane .path:not(.sft) .end').length"), 3);
  assert.match(await ask("document.querySelector('#plane').ariaLabel"), /AdamW: \d+ % right.*OnDARE: .*OnTIES: /);
  assert.match(
    await ask("document.querySelector('#engine').textContent"),
    /^cpu \(WebAssembly SIMD, 1 thread\), [\d.]+ ms a step$/,
  );
  assert.equal(await ask("document.querySelectorAll('#answers tbody tr').length"), 7);
});

law("a knob begins its branch anew, and no other", async ({ ask, until }) => {
  const before = await ask<Record<string, Shown>>(
    `(async () => ({ ondare: await ${kept("ondare")}, onties: await ${kept("onties")} }))()`,
  );
  await ask(turn("onties-alpha", 10));
  await until(`(async () => (await ${kept("onties")})?.knobs.alpha === 0.1 && ${DONE})()`);
  const after = await ask<Record<string, Shown>>(
    `(async () => ({ ondare: await ${kept("ondare")}, onties: await ${kept("onties")} }))()`,
  );
  assert.deepEqual(after.ondare, before.ondare);
  assert.equal(after.onties.points.length, before.onties.points.length);
  assert.notDeepEqual(after.onties.points, before.onties.points);
  assert.equal(await ask("document.querySelectorAll('#plane .ghost').length"), 1);
});

law("a visitor's request is answered by all, and one that cannot be put is refused by name", async ({ ask, until }) => {
  const own = "(document.querySelector('#answers .own')?.innerText ?? '')";
  const put = (request: string): string =>
    `{ document.querySelector("#request").value = "${request}"; document.querySelector("#ask").requestSubmit(); }`;
  await ask(put("rev abcd"));
  await until(`${own}.startsWith("rev abcd")`);
  assert.equal(await ask("document.querySelectorAll('#answers .own code').length"), 5);
  await ask(put("rev äbcd"));
  await until(`${own}.startsWith("rev äbcd")`);
  assert.match(await ask(own), /vocabulary has no token for "ä"/);
});

law("closed and opened again in the middle, it ends where it would have ended", async ({ go, ask, until }) => {
  const named = async (): Promise<Shown[]> =>
    Promise.all(["adamw", "ondare", "onties"].map((name) => ask<Shown>(kept(name))));
  const whole = await named();
  await ask(click("again"));
  await until(
    `(async () => { const run = await ${kept("adamw")}; return run !== undefined && run.points.length < 3; })()`,
  );
  await go("");
  await until(DONE);
  assert.deepEqual(await named(), whole);
  await go("");
  await until(DONE);
  assert.deepEqual(await named(), whole);
});

law("from nothing: base and tuned model are trained in the tab", async ({ ask, until }) => {
  await ask(click("nothing"));
  await until(`(async () => (await ${kept("sft")})?.points.length === 2 && ${DONE})()`);
  assert.equal((await ask<Shown>(kept("base"))).points.length, 2);
});

const SIZES = [
  [1280, 900],
  [390, 844],
] as const;

law(
  "fits every width, has a name for all that can be used, and enough contrast in both schemes",
  async ({ go, ask, send }) => {
    for (const hash of ["#lab", "#model"]) {
      await go(hash);
      for (const [width, height] of SIZES) {
        await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
        assert.ok(await ask("document.documentElement.scrollWidth <= innerWidth"), `${hash} is wider than ${width}`);
        for (const value of ["light", "dark"]) {
          await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
          assert.deepEqual(await ask(poorContrast), [], `${hash}, ${width}, ${value}`);
        }
      }
      assert.deepEqual(nameless(await send("Accessibility.getFullAXTree")), [], hash);
    }
    await send("Emulation.clearDeviceMetricsOverride");
  },
);

const PAIRS = ["rev abcd", "upr abca", "srt dcba", "nxt abcd"].map((request) =>
  JSON.stringify({
    prompt: [{ role: "user", content: request }],
    chosen: [{ role: "assistant", content: "sure! ok?" }],
    rejected: [{ role: "assistant", content: "no" }],
  }),
);

law("a chosen folder is talked with, aligned, and handed back as Node would have made it", async (tab) => {
  const { folder, go, ask, until, choose } = tab;
  const status = "document.querySelector('#model-status').textContent";
  const from = join(folder, "start", "tuned");
  await go("#model");
  await until(`${status}.includes('computed by')`);
  await choose("#choose-files", [from]);
  await until(`${status}.startsWith('Ready')`);
  await ask(`document.querySelector("#text").value = "rev abcd"; ${click("say")}`);
  await until("!document.querySelector('#say').disabled");
  assert.match(await ask("document.querySelector('#said').innerText"), /^you\s+rev abcd\s+model\s+\S/);
  const file = join(folder, "pairs.jsonl");
  writeFileSync(file, `${PAIRS.join("\n")}\n`);
  await choose("#pairs", [file]);
  await ask(
    `for (const [id, value] of [["steps", 2], ["batch", 2], ["length", 64]]) document.querySelector("#" + id).value = value`,
  );
  await ask(click("align-go"));
  await until(`${status}.startsWith('Aligned')`);
  await ask(
    "{ const make = URL.createObjectURL; URL.createObjectURL = (blob) => { globalThis.zip = blob; return make.call(URL, blob); } }",
  );
  await ask(click("save-zip"));
  await until(`${status}.startsWith('Written')`);
  const text = await ask<string>(
    "new Promise((then) => { const reader = new FileReader(); reader.onload = () => then(reader.result.split(',')[1]); reader.readAsDataURL(zip); })",
  );
  const home = join(folder, "home");
  mkdirSync(home);
  for (const [name, bytes] of unzipped(Buffer.from(text, "base64")))
    writeFileSync(join(home, name.split("/")[1]), bytes);

  const device = await openCpu();
  const [model, tokenizer, mine] = [loadModel(from, device), loadTokenizer(from), loadModel(home)];
  const alignment: Alignment = {
    ...{ optim: "adamw", knobs: { learningRate: 1e-5, beta: 0.1 } },
    ...{ steps: 2, batch: 2, maxLength: 64, lora: false },
  };
  const pairs = new File([`${PAIRS.join("\n")}\n`], "pairs.jsonl");
  const watch = { onPairs: () => {}, onStep: () => {}, isStopped: async () => false };
  const { params } = await align({ model, tokenizer, base: undefined, pairs, alignment }, device, watch);
  for (const [name, t] of Object.entries(params))
    assert.deepEqual(await read(mine.params[name]), await read(t), `${name} differs`);
  assert.equal(loadTokenizer(home).renderChat([{ role: "user", content: "hi" }]), "<bos><u>hi");
  await device.close();
});

law(
  "pairs that cannot be read, and a merge without its base, are refused in a line",
  async ({ folder, ask, until, choose }) => {
    const status = "document.querySelector('#model-status').textContent";
    const file = join(folder, "wrong.jsonl");
    writeFileSync(file, `${PAIRS[0]}\n{"prompt": 1}\n`);
    await choose("#pairs", [file]);
    await ask(click("align-go"));
    await until(`${status}.startsWith('wrong.jsonl:2: ')`);
    await ask(`document.querySelector("#optim").value = "onties"; ${click("align-go")}`);
    await until(`${status} === "onties merges with τ: give the model that this one was tuned from, too"`);
  },
);

law(
  "a folder that holds no model is refused by name, and a change of device is told",
  async ({ folder, ask, until, choose }) => {
    const status = "document.querySelector('#model-status').textContent";
    const empty = join(folder, "empty");
    mkdirSync(empty);
    writeFileSync(join(empty, "notes.txt"), "none");
    await choose("#choose-files", [empty]);
    await until(`/tokenizer.json/.test(${status})`);
    assert.equal(await ask("document.querySelector('#say').disabled"), false, "the model of before is still there");
    await ask(
      '{ const device = document.querySelector("#device"); device.value = "cpu"; device.dispatchEvent(new Event("change")); }',
    );
    await until(`${status} === "Another device: choose the model again."`);
    assert.equal(await ask("document.querySelector('#say').disabled"), true);
  },
);
