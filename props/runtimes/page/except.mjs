/** Laws that a page breaks by what it is, by their files and titles, and why. They are left out by name. */
export const EXCEPT = [
  {
    file: "props/models/lora/lora-targets.test.ts",
    name: /^lora: layers, what is left out, and expressions/,
    why: "a page's thread has no clock that ends a stranger's expression (docs/browser.md)",
  },
];
