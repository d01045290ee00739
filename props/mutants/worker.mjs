/**
 * Tries laws, mutant by mutant. Loads workerData.bundle once, with workerData.mutant switched on (for mutants that take
 * effect while files load); each message { mutant?, laws?: indices, or about?: what
 * titles start with, all?: go on after a failure } is answered by
 * { results: [{ index, title, ms, hits, error? }], loading: ids met while the files loaded }. See laws.mjs.
 */
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import fc from "fast-check";

let active = workerData.mutant;
let hits = new Set();
globalThis.__laws = [];
globalThis.__on = (id) => {
  if (active === undefined) hits.add(id);
  return id === active;
};
fc.configureGlobal({ seed: 1, endOnFailure: true });

const attempt = async (index, title, body) => {
  const start = performance.now();
  hits = new Set();
  let error;
  try {
    await body({ skip: () => {}, diagnostic: () => {} });
  } catch (thrown) {
    error = String(thrown?.message ?? thrown);
  }
  return { index, title, ms: performance.now() - start, hits: [...hits], error };
};

const loading = await attempt(-1, "the laws load", () => import(pathToFileURL(workerData.bundle).href));

const indicesAbout = (start) =>
  [...globalThis.__laws.keys()].filter((index) => globalThis.__laws[index].title.startsWith(start));

parentPort.on("message", async ({ mutant, about = "", laws, all = false }) => {
  active = mutant;
  const results = [];
  if (loading.error !== undefined) results.push(loading);
  else
    for (const index of laws ?? indicesAbout(about)) {
      const { title, body } = globalThis.__laws[index];
      const result = await attempt(index, title, body);
      results.push(result);
      if (result.error !== undefined && !all) break;
    }
  active = undefined;
  parentPort.postMessage({ results, loading: loading.hits });
});
