/**
 * Laws that a page breaks by what it is, by their files and titles, and why. They are left out by name: run, and not counted where
 * they fail, but for those that would never end there, which are not run.
 */
export const EXCEPT = [
  {
    file: "props/models/lora/lora-targets.test.ts",
    name: /^lora: layers, what is left out, and expressions/,
    why: "a page's thread has no clock that ends a stranger's expression (docs/browser.md)",
  },
  {
    file: "props/models/strangers/strangers.test.ts",
    name: /^/,
    isEndless: true,
    why: "the clock and the threads that end a stranger's program are Node's; a page takes a worker (docs/browser.md)",
  },
];
