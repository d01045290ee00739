/** What stands in a page for the modules of Node that taugrad/devices imports. What the cpu device never calls throws. */
const no = () => {
  throw new Error("this is no Node: only the cpu device runs in this page");
};
export const process = { env: {}, platform: "browser", arch: "", version: "", pid: 0 };
// node:os: one thread, so that no worker is started
export const availableParallelism = () => 1;
export const totalmem = () => (navigator.deviceMemory ?? 4) * 2 ** 30;
export const homedir = () => "";
// node:timers
export const setImmediate = (then) => setTimeout(then);
// node:worker_threads
export const { MessageChannel, Worker } = globalThis;
export const receiveMessageOnPort = no;
// node:v8, node:module, node:crypto, node:path, node:fs: for webgpu and its cache of tuned tiles
export const setFlagsFromString = () => {};
export const [createRequire, createHash, join, dirname] = [no, no, no, no];
export const [accessSync, existsSync, readdirSync, mkdirSync, readFileSync] = [no, no, no, no, no];
export const [renameSync, rmSync, writeFileSync] = [no, no, no];
export const [delimiter, constants] = [":", {}];
