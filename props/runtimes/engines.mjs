/** Engines that the package registry has, and how each is started; and browsers (page/tabs.mjs). A new one is a row. */
export const ENGINES = [
  { name: "Node 20", package: "node@20", bin: "node" },
  { name: "Node 22", package: "node@22", bin: "node" },
  { name: "Node 24", package: "node@24", bin: "node" },
  { name: "Node 26", package: "node@26", bin: "node" },
  { name: "Deno", package: "deno", bin: "deno", before: ["run", "--allow-all", "--no-prompt"] },
  // What a library can do without a single permission.
  { name: "Deno, nothing allowed", package: "deno", bin: "deno", before: ["run", "--no-prompt"], library: true },
  { name: "Bun", package: "bun", bin: "bun", lacks: { webgpu: "Dawn's native module ends the process" } },
  { name: "Chromium", browser: "chromium" },
  // Its WebGPU tells of no subgroups: the kernels, and so the bits, are those of an adapter without features.
  { name: "Firefox", browser: "firefox", mode: "plain" },
];

/** What is asked of each, beside the commands: the device, how it is opened, and how many threads. */
export const WORKS = [
  { name: "reference", device: "reference" },
  { name: "cpu, portable", device: "cpu", bits: "portable" },
  { name: "cpu, 1 thread", device: "cpu", bits: "portable", threads: 1 },
  { name: "cpu, native", device: "cpu", bits: "native" },
  { name: "webgpu", device: "webgpu" },
  { name: "webgpu, plain", device: "webgpu", mode: "plain" },
];
