/**
 * Loaded before the command line: at the call number `at` of the file system's functions on what lies `under` a folder it does
 * `what`: an errno (thrown), "short" (half of what was to be written, or read), "KILL" (the process ends); where it `lasts`, at
 * each call from then on. FAULT holds these as JSON.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { resolve } from "node:path";

const fs = createRequire(import.meta.url)("node:fs");
const fault = JSON.parse(process.env.FAULT);
const handles = new Set();
let calls = 0;
const isMeant = (target) =>
  typeof target === "number"
    ? handles.has(target)
    : typeof target === "string" && resolve(target).startsWith(fault.under);
const isDue = () => {
  calls++;
  return fault.lasts ? calls >= fault.at : calls === fault.at;
};
const failing = (syscall, target) => {
  const path = typeof target === "string" ? target : undefined;
  return Object.assign(new Error(`${fault.what}: injected, ${syscall}${path === undefined ? "" : ` '${path}'`}`), {
    ...{ errno: -constants.errno[fault.what], code: fault.what, syscall },
    ...(path !== undefined && { path }),
  });
};

/** What a call does in place of what it should; undefined: that. */
const meet = (syscall, target) => {
  if (!isMeant(target) || !isDue()) return undefined;
  if (fault.what === "KILL") process.kill(process.pid, "SIGKILL");
  if (fault.what === "short") return "short";
  throw failing(syscall, target);
};

const wrap = (name, syscall) => {
  const usual = fs[name];
  fs[name] = (target, ...rest) => {
    const what = meet(syscall, target);
    if (what === "short" && name === "writeSync" && typeof rest[0] === "string")
      return usual(target, rest[0].slice(0, rest[0].length >> 1));
    if (what === "short" && (name === "writeSync" || name === "readSync") && rest[0] instanceof Uint8Array) {
      const offset = typeof rest[1] === "number" ? rest[1] : 0;
      const length = typeof rest[2] === "number" ? rest[2] : rest[0].byteLength - offset;
      if (length > 1) return usual(target, rest[0], offset, length >> 1, ...rest.slice(3));
    }
    const out = usual(target, ...rest);
    if (name === "openSync" && isMeant(target)) handles.add(out);
    if (name === "closeSync") handles.delete(target);
    return out;
  };
};
for (const name of [
  "open",
  "write",
  "read",
  "rename",
  "fsync",
  "mkdir",
  "close",
  "stat",
  "readdir",
  "ftruncate",
  "rm",
  "fstat",
])
  wrap(`${name}Sync`, name);
const { open } = fs.promises;
fs.promises.open = (path, ...rest) => {
  meet("open", path);
  return open(path, ...rest);
};
syncBuiltinESMExports();
