/** Serves bundled law files, and runs one in a page. */
import { createServer } from "node:http";
import { EXCEPT } from "./except.mjs";

const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const PAGE = `<!doctype html><title>laws</title><script>
  globalThis.process = { env: {}, cpuUsage: () => ({ user: 1000 * performance.now(), system: 0 }) };
</script>`;

/** A host of these files, and of an empty page for whatever else; `isolate` says whether pages from now on are isolated. */
export const hostOf = async (served) => {
  let isolated = {};
  const server = createServer(({ url }, response) => {
    const text = served.get(url);
    response.writeHead(200, { "Content-Type": text === undefined ? "text/html" : "text/javascript", ...isolated });
    response.end(text ?? PAGE);
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

/** Runs one file afresh in a tab (tabs.mjs). Resolves to its tests' results: { name, error?, skipped? } each; errors if it has none. */
export const tried = async (tab, { origin }, file) => {
  await tab.visit(`${origin}/`);
  const given = [process.env.FC_SEED ?? "undefined", JSON.stringify(endlessIn(file))];
  const told = await tab.evaluate(`import("/props/runtimes/page/test.js").then(async ({ runAll }) => {
    await import(${JSON.stringify(`/${file.replace(/\.ts$/, ".js")}`)});
    return JSON.stringify(await runAll(${given}));
  })`);
  return JSON.parse(told);
};
