/** Laws of the page's first view in a browser: it opens at once, trains, and goes on where it was left. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { openSafetensors } from "../../models/index.js";
import type { Shown } from "../../page/lab/messages.js";
import { nameless, poorContrast } from "./access.js";
import { law, type Tab } from "./tab.js";

const STATUS = "document.querySelector('#status').textContent";
const DONE = `${STATUS}.startsWith('Aligned')`;
/** What the browser keeps of the lab under a name. */
const kept = (name: string, part = "shown"): string => `new Promise((then, fail) => {
  const opening = indexedDB.open("taugrad-lab");
  opening.onerror = fail;
  opening.onsuccess = () => {
    const got = opening.result.transaction("kept").objectStore("kept").get("${name}");
    got.onsuccess = () => { opening.result.close(); then(got.result?.${part}); };
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

const BRANCHES = ["adamw", "ondare", "onties"] as const;
const named = async ({ ask }: Tab): Promise<Record<string, Shown>> =>
  Object.fromEntries(await Promise.all(BRANCHES.map(async (name) => [name, await ask<Shown>(kept(name))])));

law(
  "a knob begins its branch anew, and no other; closed in the middle of it, its GPU gone, it ends where it would have",
  async (tab) => {
    const { reopenAt, ask, until, computeOn, send } = tab;
    const before = await named(tab);
    await ask(turn("onties-alpha", 10));
    await until(`(async () => (await ${kept("onties")})?.knobs.alpha === 0.1 && ${DONE})()`);
    const { onties, ...others } = await named(tab);
    assert.deepEqual(others, { adamw: before.adamw, ondare: before.ondare });
    assert.equal(onties.points.length, before.onties.points.length);
    assert.notDeepEqual(onties.points, before.onties.points);
    assert.equal(await ask("document.querySelectorAll('#plane .ghost').length"), 1);
    await ask(turn("onties-alpha", 3));
    await reopenAt(
      `(({ knobs, points } = {}) => knobs?.alpha === 1e-3 && points.length === 1)(await ${kept("onties")})`,
    );
    await computeOn("webgpu");
    const isByGpu = "document.querySelector('#engine').textContent.startsWith('webgpu')";
    await until(isByGpu);
    await send("Browser.crashGpuProcess");
    const notice = "document.querySelector('#notice').textContent";
    await until(`/the device was lost .*It goes on from the last exam/.test(${notice}) && ${isByGpu}`);
    await computeOn("auto");
    await until(DONE);
    assert.deepEqual(await named(tab), before);
  },
);

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

/** A digest of a run's weights that are kept, in the order of their names. */
const digestOf = (name: string): string => `(async () => {
  const { numbers } = await ${kept(name, "run")};
  const all = await new Blob(Object.keys(numbers).sort().map((key) => numbers[key].data)).arrayBuffer();
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", all))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
})()`;

law(
  "from nothing, closed and opened again in the middle, base and tuned model become those of Node, bit for bit",
  async (tab) => {
    const { folder, reopenAt, ask, until } = tab;
    await ask(click("nothing"));
    await reopenAt(`(await ${kept("base")})?.points.length === 1`);
    await until(`(async () => (await ${kept("sft")})?.points.length === 2)()`);
    const { tensors, readBytes } = openSafetensors(join(folder, "start", "weights.safetensors"));
    for (const run of ["base", "sft"]) {
      const hash = createHash("sha256");
      for (const name of [...tensors.keys()].filter((one) => one.startsWith(`${run}.`)).sort())
        hash.update(readBytes(name));
      assert.equal(await ask(digestOf(run)), hash.digest("hex"), run);
    }
  },
);

const SIZES = [
  [1280, 900],
  [390, 844],
] as const;

law(
  "fits every width, has a name for all that can be used, and enough contrast in both schemes",
  async ({ ask, until, send }) => {
    for (const hash of ["#lab", "#model"]) {
      await ask(`void (location.hash = "${hash}")`);
      await until(`!document.querySelector("#view-${hash.slice(1)}").hidden`);
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
