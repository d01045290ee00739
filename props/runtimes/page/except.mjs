/**
 * Laws that a page breaks by what it is, by their files and titles, and why. They are left out by name: run, and not counted where
 * they fail, but for those that would never end there, which are not run.
 */
export const EXCEPT = [
  ...[/^a GPU that Vulkan does not show/, /^the doctor's report on a container/].map((name) => ({
    ...{ file: "props/kernels/webgpu/adapter/webgpu-adapters.test.ts", name },
    why: "why a machine shows no GPU is looked for in its drivers' files, which a page does not see",
  })),
  {
    file: "props/kernels/webgpu/adapter/webgpu-adapters.test.ts",
    name: /^every adapter of this machine opens by its number and by its name/,
    why: "names of adapters are Dawn's, and a browser keeps them to itself",
  },
  {
    file: "props/kernels/webgpu/adapter/webgpu-features.test.ts",
    name: /^every mode gives the same bits/,
    why: 'mode "fast" is refused by name: a browser checks addresses',
  },
  {
    file: "props/models/lora/lora-targets.test.ts",
    name: /^lora: layers, what is left out, and expressions/,
    isEndless: true,
    why: "a page's thread has no clock that ends a stranger's expression (docs/browser.md)",
  },
  {
    file: "props/models/strangers/strangers.test.ts",
    name: /^/,
    isEndless: true,
    why: "the clock and the threads that end a stranger's program are Node's; a page takes a worker (docs/browser.md)",
  },
];
