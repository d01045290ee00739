/** Serves bundled law files and what they read, and runs one in a page. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { root } from "../../../build.mjs";
import { EXCEPT } from "./except.mjs";

const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const PAGE = `<!doctype html><title>laws</title><script>
  globalThis.process = {
    env: ${JSON.stringify({ TAUGRAD_REACH: process.env.TAUGRAD_REACH })},
    // A page knows no time but the clock's.
    cpuUsage: ({ user = 0 } = {}) => ({ user: 1000 * performance.now() - user, system: 0 }),
  };
</script>`;

/** A file that laws read, or the part of it that is asked for. */
const answerFile = (response, path, range = "", headers) => {
  if (!existsSync(path)) return response.writeHead(404, headers).end();
  const bytes = readFileSync(path);
  const [, from, to] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
  if (from === undefined) return response.writeHead(200, headers).end(bytes);
  const part = bytes.subarray(from, to + 1);
  const told = { "Content-Range": `bytes ${from}-${from + part.length - 1}/${bytes.length}` };
  return response.writeHead(206, { ...headers, ...told }).end(part);
};

/**
 * A host of these bundles, of what lies in the project under props/, and of an empty page at "/"; `isolate` says whether pages from
 * now on are isolated.
 */
export const hostOf = async (served) => {
  let isolated = {};
  const server = createServer(({ url, headers }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    const text = pathname === "/" ? PAGE : served.get(pathname);
    if (text === undefined && pathname.startsWith("/props/"))
      return answerFile(response, join(root, pathname), headers.range, isolated);
    const type = pathname === "/" ? "text/html" : "text/javascript";
    response.writeHead(text === undefined ? 404 : 200, { "Content-Type": type, ...isolated });
    return response.end(text);
  });
  await new Promise((then) => server.listen(0, "127.0.0.1", then));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    isolate: (yes) => {
      isolated = yes ? ISOLATED : {};
    },
    close: () => server.close(),
  };
};

/** Laws of a file that a page would never come back from. */
const endlessIn = (file) =>
  EXCEPT.filter((row) => row.file === file && row.isEndless).map(({ name, why }) => ({ source: name.source, why }));

const call = (tab, name, given) =>
  tab.evaluate(`import("/props/runtimes/page/test.js").then((page) => page.${name}(${given}))`);

/** Loads a page of this host afresh. */
export const fresh = (tab, { origin }) => tab.visit(`${origin}/`);

/** Runs the laws of one file that have a title like `only` in a tab that shows a page of the host. Resolves to its tests' results (test.mjs); errors if it does not load. */
export const tried = async (tab, file, only = /^/) => {
  await tab.evaluate(`import(${JSON.stringify(`/${file.replace(/\.ts$/, ".js")}`)}).then(() => {})`);
  const given = [process.env.FC_SEED ?? "undefined", JSON.stringify(endlessIn(file)), JSON.stringify(only.source)];
  return call(tab, "runAll", given);
};

/** Lets the files that were run in a tab give back what they have opened. */
export const ended = (tab) => call(tab, "endAll", "");
