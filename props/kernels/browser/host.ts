/** A host of pages of the built package, and what they answer. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { goldenPath, projectRoot as root } from "../../golden/files.js";
import type { Page } from "../../lab/browser.js";

export const here = join(root, "props", "kernels", "browser");

/** Bundled as anybody would for a page, without a setting that is taugrad's. */
export const built = async (contents: string, splitting = true) => {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents, resolveDir: here },
    ...{ outdir: here, bundle: true, minify: true, format: "esm", splitting, write: false, metafile: true },
    logLevel: "silent",
  });
  assert.deepEqual(warnings, []);
  return { files: new Map(outputFiles.map(({ path, text }) => [basename(path), text])), metafile };
};

/** A page, and a worker, that answer with numbers or with why there are none. */
const ASK = "const ask = (device, titles) => numbersOf(device, titles).catch((error) => ({ error: String(error) }));";
const PAGE = `import { numbersOf } from "./program.mjs"; ${ASK} globalThis.ask = ask;
  import { kept } from "./keeping.mjs"; import { losing } from "./losing.mjs";
  import { folderIn } from "taugrad/models"; Object.assign(globalThis, { kept, losing, folderIn });
  globalThis.askWorker = (...given) => new Promise((then) => {
    const worker = new Worker("/stdin.js?worker", { type: "module" });
    worker.onmessage = ({ data }) => then(data);
    worker.postMessage(given);
  });
  if (typeof document === "undefined") onmessage = ({ data }) => ask(...data).then(postMessage);`;
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** A file of a small model, in parts. */
const answerPart = (response: ServerResponse, name: string, range = ""): void => {
  const path = goldenPath("preferences", "sft", name);
  const [, from, to] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
  if (!existsSync(path)) response.writeHead(404).end();
  else {
    const bytes = readFileSync(path);
    const part = bytes.subarray(from, to + 1);
    const told = `bytes ${from}-${from + part.length - 1}/${bytes.length}`;
    response.writeHead(206, { "content-range": told, ...ISOLATED }).end(part);
  }
};

/** Serves the page at "/plain" and "/isolated", and a model below "/model". */
export const hosted = async (): Promise<{ readonly address: string; readonly close: () => void }> => {
  const { files } = await built(PAGE);
  let headers: Record<string, string> = {};
  const server = createServer(({ url = "", headers: { range } }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    if (pathname.startsWith("/model/")) return answerPart(response, pathname.slice("/model/".length), range);
    if (pathname === "/isolated" || pathname === "/plain") headers = pathname === "/isolated" ? ISOLATED : {};
    const text = files.get(pathname.slice(1));
    response.writeHead(200, { "Content-Type": text === undefined ? "text/html" : "text/javascript", ...headers });
    response.end(text ?? '<!doctype html><title>taugrad</title><script type="module" src="/stdin.js"></script>');
  });
  await new Promise<void>((then) => server.listen(0, "127.0.0.1", then));
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
};

/** The value of an expression in a page. */
export const evaluated = async (at: Page, expression: string): Promise<unknown> => {
  const { result, exceptionDetails } = (await at.send("Runtime.evaluate", {
    ...{ expression, awaitPromise: true, returnByValue: true },
  })) as { result: { value: unknown }; exceptionDetails?: object };
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  return result.value;
};
/** What a page at an address answers. */
export const asked = async (at: Page, url: string, call: string): Promise<unknown> => {
  const loaded = at.event("Page.loadEventFired");
  await at.send("Page.navigate", { url });
  await loaded;
  return evaluated(at, call);
};
