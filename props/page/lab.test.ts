/** Laws of the page's first view in a browser: it opens at once, trains, and goes on where it was left. */
import assert from "node:assert/strict";
import type { Shown } from "../../page/lab/messages.js";
import { nameless, poorContrast } from "./access.js";
import { law } from "./tab.js";

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

law(
  "from nothing, closed and opened again in the middle, it ends where the builder's weights ended in Node",
  async (tab) => {
    const { go, ask, until } = tab;
    const named = async (): Promise<Shown[]> =>
      Promise.all(["adamw", "ondare", "onties"].map((name) => ask<Shown>(kept(name))));
    const whole = await named();
    await ask(click("nothing"));
    await until(
      `(async () => { const run = await ${kept("adamw")}; return run !== undefined && run.points.length < 3; })()`,
    );
    await go("");
    await until(DONE);
    for (const name of ["base", "sft"]) assert.equal((await ask<Shown>(kept(name))).points.length, 2);
    assert.deepEqual(await named(), whole);
    await go("");
    await until(DONE);
    assert.deepEqual(await named(), whole);
  },
);

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
