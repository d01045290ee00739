/** What ask.mjs is for engines of a command line: digests of the packed package's programs in pages of a browser. */
import { join, relative } from "node:path";
import { build } from "esbuild";
import { hostOf } from "./host.mjs";
import { openTab } from "./tabs.mjs";

/** Bundles the program of a project that has the package, as anybody would for a page, and serves it. */
const served = async (project) => {
  const { outputFiles } = await build({
    ...{ entryPoints: [join(project, "props", "kernels", "browser", "program.mjs")], outdir: project },
    ...{ bundle: true, format: "esm", splitting: true, write: false, logLevel: "silent" },
  });
  return hostOf(new Map(outputFiles.map(({ path, text }) => [`/${relative(project, path)}`, text])));
};

/**
 * The browser's version, and what it answers to each work: { bits, found } or { error }. A work of one thread is asked of a page
 * that is not isolated. A word instead, where no page can be opened.
 */
export const answersOf = async (project, browser, works) => {
  const host = await served(project);
  const tabs = new Map();
  try {
    const answers = [];
    for (const { device, bits, mode, threads } of works) {
      const gpu = device === "webgpu" ? "swiftshader" : "none";
      if (!tabs.has(gpu)) tabs.set(gpu, await openTab({ browser, gpu }));
      const tab = tabs.get(gpu);
      if (typeof tab === "string") return tab;
      host.isolate(threads === undefined);
      await tab.visit(`${host.origin}/`);
      const given = JSON.stringify([device, null, { bits, mode }]).slice(1, -1).replace("null", "undefined");
      const call = `import("/program.js").then(({ numbersOf }) => numbersOf(${given}))`;
      answers.push(await tab.evaluate(call).catch(({ message }) => ({ error: message.split("\n")[0] })));
    }
    return { version: await [...tabs.values()][0].version(), answers };
  } finally {
    host.close();
    for (const tab of tabs.values()) if (typeof tab !== "string") await tab.close();
  }
};
