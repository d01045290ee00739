/** Law files in pages: those of a folder share a page, and what they open there; pages lie side by side, in browsers of their own. */
import { dirname } from "node:path";
import { ended, fresh, tried } from "./host.mjs";

/** Files that share a page, at most. */
const TOGETHER = 6;
/** Milliseconds that a file may take. */
const PATIENCE = 180_000;

/** Files of one folder, and of one bundle (`kindOf`), in groups, in their order. */
const groupsOf = (files, kindOf) => {
  const groups = new Map();
  for (const file of files) {
    const key = `${dirname(file)} ${kindOf(file)}`;
    const all = groups.get(key) ?? [];
    groups.set(key, all);
    if (all.length === 0 || all.at(-1).length === TOGETHER) all.push([]);
    all.at(-1).push(file);
  }
  return [...groups.values()].flat();
};

const inTime = (promise) => {
  let timer;
  const late = new Promise((_, not) => {
    timer = setTimeout(() => not(new Error(`it does not end within ${PATIENCE / 1000} s`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/**
 * Tries the laws with a title like `only` of all files, in so many browsers at once, of which `opened` gives tabs. `hear(file, results, seconds)` is told of each as it ends;
 * a file that does not load, or end, or that takes its browser with it, has one result that says so.
 */
export const tryAll = async ({ files, only, kindOf, host, opened, browsers, hear }) => {
  const groups = groupsOf(files, kindOf);
  const lane = async () => {
    let tab;
    for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
      let isFresh = false;
      for (const file of group) {
        const from = performance.now();
        let results;
        try {
          tab ??= await opened();
          if (!isFresh) await fresh(tab, host);
          isFresh = true;
          results = await inTime(tried(tab, file, only));
          if (file === group.at(-1)) await inTime(ended(tab));
        } catch ({ message }) {
          results = [...(results ?? []), { name: "the file", error: message }];
          await tab?.close();
          tab = undefined;
          isFresh = false;
        }
        hear(file, results, (performance.now() - from) / 1000);
      }
    }
    await tab?.close();
  };
  await Promise.all(Array.from({ length: browsers }, lane));
};
