import { readdirSync, readFileSync } from "node:fs";

const read = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // it has ended
  }
};

const threadsOf = (pid: string): readonly string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
};

/** What a process has started, as far as it lives; nothing where there is no /proc. */
export const childrenOf = (pid: string): string[] =>
  threadsOf(pid).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).match(/\d+/g) ?? []);

/** A process and all that it started, as far as they live. */
const family = (pid: string): string[] => {
  const all = [pid];
  for (const one of all) all.push(...childrenOf(one));
  return all;
};

/** MiB that a process and all that it started hold, without what is of files; 0 where there is no /proc. */
export const heldBy = (pid: number): number => {
  const kib = family(String(pid)).flatMap((one) =>
    [...read(`/proc/${one}/status`).matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)].map(([, size]) => Number(size)),
  );
  return kib.reduce((sum, size) => sum + size, 0) / 1024;
};
