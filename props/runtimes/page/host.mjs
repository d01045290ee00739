/** Serves bundled law files, and runs one in a page. */
import { createServer } from "node:http";

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

/** Runs one file afresh. Resolves to its tests' results: { name, error?, skipped? } each. */
export const tried = async (page, { origin }, file) => {
  const loaded = page.event("Page.loadEventFired");
  await page.send("Page.navigate", { url: `${origin}/` });
  await loaded;
  const expression = `(async () => {
    const { runAll } = await import("/props/runtimes/page/test.js");
    await import(${JSON.stringify(`/${file.replace(/\.ts$/, ".js")}`)});
    return JSON.stringify(await runAll(${process.env.FC_SEED ?? "undefined"}));
  })()`;
  const call = { expression, awaitPromise: true, returnByValue: true };
  const { result, exceptionDetails } = await page.send("Runtime.evaluate", call);
  if (exceptionDetails === undefined) return JSON.parse(result.value);
  return [{ name: file, error: exceptionDetails.exception?.description ?? JSON.stringify(exceptionDetails) }];
};
