/** The page in a browser's tab: built into a folder, served, and asked. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Course } from "../../page/lab/settings.js";
import { writeStart } from "../../page/lab/start.js";
import { projectRoot as root } from "../golden/files.js";
import { openPage } from "../lab/browser.js";

/** A world in which everything happens, and nothing is learned. */
export const SHORT: Course = {
  base: { steps: 2, batch: 4, learningRate: 4e-3, warmup: 1, instructed: 0.03 },
  sft: { steps: 2, batch: 4, learningRate: 6e-4, warmup: 1 },
  alignment: { pairs: 16, steps: 4, batch: 4, warmup: 1 },
  perKind: 1,
  every: { base: 1, sft: 1, alignment: 2 },
};

/** What every answer of the page's host says: nothing is asked of anybody else, in workers neither. */
const STRICT = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'",
};

/** The page, open in a tab. */
export interface Tab {
  readonly folder: string;
  /** What went wrong in the page, and paths that were asked for and are not there. */
  readonly faults: string[];
  readonly go: (hash: string, to?: typeof FORBIDDING) => Promise<void>;
  /** Opens it again in the moment at which an expression, which may await, holds. */
  readonly reopenAt: (expression: string) => Promise<void>;
  /** The value of an expression in the page. */
  readonly ask: <T>(expression: string) => Promise<T>;
  /** Waits until an expression holds. */
  readonly until: (expression: string) => Promise<void>;
  /** Chooses a device, as a visitor does, in the moment at which an expression, which may await, holds. */
  readonly computeOn: (device: string, expression?: string) => Promise<void>;
  /** Puts files into a file input. */
  readonly choose: (selector: string, files: readonly string[]) => Promise<void>;
  readonly send: (method: string, params?: Readonly<Record<string, unknown>>) => Promise<Record<string, unknown>>;
  readonly close: () => Promise<void>;
}

type Served = { readonly port: number; readonly close: () => void };
type Heard = { readonly headers: object; readonly heard: (path: string, status: number) => void };

/** A statement that waits until an expression holds. */
const soon = (expression: string): string =>
  `while (!(${expression})) await new Promise((then) => setTimeout(then, 3));`;

/** Patience with the page's workers, in milliseconds. */
const PATIENCE = 60_000;

/** In the address of a page whose browser forbids storage to it, as far as the page's own thread asks for it. */
export const FORBIDDING = "forbidding";

/** Run in every document before the page: all that workers tell is heard, and a folder that is chosen is one of the browser's own. */
const SPY = `globalThis.heard = [];
globalThis.Worker = class extends Worker {
  set onmessage(hear) { super.onmessage = (event) => { heard.push(event.data); hear(event); }; }
};
if (location.search.endsWith("${FORBIDDING}"))
  Object.defineProperty(globalThis, "localStorage", { get: () => { throw new DOMException("denied", "SecurityError"); } });
globalThis.showDirectoryPicker = async () => {
  const storage = await navigator.storage.getDirectory();
  return storage.getDirectoryHandle(globalThis.picked, { create: true });
};`;

let opening: Promise<Tab | string> | undefined;
after(async () => {
  const tab = await opening;
  if (typeof tab === "object") await tab.close();
});

/** A law of the page, in the one tab that all of them share. */
export const law = (title: string, run: (tab: Tab) => Promise<void>): void => {
  test(`the page: ${title}`, async (t) => {
    opening ??= openTab();
    const tab = await opening;
    if (typeof tab === "string") return t.skip(tab);
    await run(tab);
    assert.deepEqual(tab.faults, []);
  });
};

/** Builds the page with a short course and weights of it, and opens it; or says why there is no browser. */
const openTab = async (): Promise<Tab | string> => {
  const page = await openPage({ gpu: "swiftshader" });
  if (typeof page === "string") return page;
  const folder = mkdtempSync(join(tmpdir(), "taugrad-page-"));
  const of = (name: string) => import(pathToFileURL(join(root, "page", name)).href);
  const [{ buildPage }, { serve }] = await Promise.all([of("build.mjs"), of("serve.mjs")]);
  await Promise.all([
    buildPage({ outdir: folder, start: "start/", course: SHORT }),
    writeStart(join(folder, "start"), SHORT, () => {}),
  ]);
  const faults: string[] = [];
  /** Makes every visit one of its own, not a walk within the page. */
  let visits = 0;
  const heard = (path: string, status: number): void => {
    if (status !== 200) faults.push(`${path}: ${status}`);
  };
  const server: Served = await serve(folder, 0, { headers: STRICT, heard } satisfies Heard);
  const { send } = page;
  page.on("Runtime.exceptionThrown", ({ exceptionDetails }) => faults.push(JSON.stringify(exceptionDetails)));
  page.on("Log.entryAdded", ({ entry }) => {
    const { level, text } = entry as { readonly level: string; readonly text: string };
    if (level === "error") faults.push(text);
  });
  page.on("Runtime.consoleAPICalled", ({ type, args }) => {
    if (type === "error" || type === "warning") faults.push(JSON.stringify(args));
  });
  await Promise.all([send("Runtime.enable"), send("Log.enable"), send("DOM.enable")]);
  await send("Page.addScriptToEvaluateOnNewDocument", { source: SPY });
  const ask = async <T>(expression: string): Promise<T> => {
    const given = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = (await send("Runtime.evaluate", given)) as {
      readonly result: { readonly value: T };
      readonly exceptionDetails?: object;
    };
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return result.value;
  };
  return {
    ...{ folder, faults, ask, send },
    go: async (hash, to) => {
      const loaded = page.event("Page.loadEventFired");
      await send("Page.navigate", { url: `http://127.0.0.1:${server.port}/?${visits++}${to ?? ""}${hash}` });
      await loaded;
    },
    reopenAt: async (expression) => {
      const loaded = page.event("Page.loadEventFired");
      await ask(`void (async () => { ${soon(expression)} location.reload(); })()`);
      await loaded;
    },
    until: async (expression) => {
      for (const end = performance.now() + PATIENCE; !(await ask(expression)); ) {
        const text = "document.querySelector('main').innerText.slice(0, 400)";
        assert.ok(performance.now() < end, `${expression} does not come true; the page says ${await ask(text)}`);
        await new Promise((then) => setTimeout(then, 30));
      }
    },
    computeOn: async (device, expression = "true") => {
      const chosen = `const by = document.querySelector("#device"); by.value = "${device}"; by.dispatchEvent(new Event("change"));`;
      await ask(`(async () => { ${soon(expression)} ${chosen} })()`);
    },
    choose: async (selector, files) => {
      const { result } = (await send("Runtime.evaluate", { expression: `document.querySelector("${selector}")` })) as {
        readonly result: { readonly objectId: string };
      };
      await send("DOM.setFileInputFiles", { files, objectId: result.objectId });
    },
    close: async () => {
      server.close();
      await page.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
