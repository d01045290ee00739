import { lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { InputError } from "../../../core/errors.js";
import type { Installed, Language } from "./languages.js";
import { seccompFilter } from "./seccomp.js";

/** What a generated program may take. */
export interface Limits {
  /** Seconds that it may run. */
  readonly seconds: number;
  /** MiB of memory, of a process and of all that it starts. */
  readonly memory: number;
}

/** A command that runs a harness. */
export interface Launch {
  /** Whether its child is the first process of a namespace, with which all of it ends; else they are a group. */
  readonly confined: boolean;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Where libraries, fonts and time zones lie; the rest of the machine is not there. */
const LIBRARIES = (
  "/lib /lib32 /lib64 /usr/lib /usr/lib32 /usr/lib64 /usr/local/lib /usr/local/lib64 /usr/share/zoneinfo /usr/share/fonts " +
  "/etc/ld.so.cache /etc/alternatives /nix/store /gnu/store"
).split(" ");

/** Folders of these are the system's, of which only libraries are shown. */
const SYSTEM = new Set(["/", "/usr", "/usr/local"]);

/** Most of: processes and threads, bytes of a file, files that are open, bytes and files of the folder. */
const [PROCESSES, FILE, OPEN, FOLDER, FILES] = [64, 2 ** 24, 1024, 2 ** 26, 4096];

const kindOf = (path: string): "link" | "folder" | "file" | undefined => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (found.isSymbolicLink()) return "link";
  return found.isDirectory() ? "folder" : "file";
};

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A folder to build the sandbox's root over, such that nothing that is shown lies below. */
const placeFor = (shown: readonly string[]): string => {
  const free = ["/mnt", "/media", "/srv", "/opt", "/tmp", "/var"].find(
    (place) => kindOf(place) === "folder" && !shown.some((path) => path === place || path.startsWith(`${place}/`)),
  );
  if (free === undefined)
    throw new InputError("no folder of /mnt, /media, /srv, /opt, /tmp and /var can be mounted over");
  return free;
};

/** Shell lines that show a path of this machine at the same place, unless a folder that is shown holds it. */
const showing = (path: string): string => {
  const [at, parent] = [quoted(`.${path}`), quoted(`.${path.slice(0, path.lastIndexOf("/"))}`)];
  const how = {
    link: () => `ln -s ${quoted(readlinkSync(path))} ${at}`,
    folder: () => `mkdir -p ${at}; mount --rbind ${quoted(path)} ${at}`,
    file: () => `: > ${at}; mount --bind ${quoted(path)} ${at}`,
  };
  // An interpreter that is a link is shown as the file that it leads to.
  const kind = kindOf(path);
  const isFile = kind === "link" && statSync(path, { throwIfNoEntry: false })?.isFile();
  return `[ -e ${at} ] || { mkdir -p ${parent}; ${how[isFile ? "file" : (kind ?? "file")]()}; }`;
};

/** Users that nobody is: where taugrad runs as root, a program runs as one of them, whom no other process belongs to. */
const STRANGERS = 2 ** 30;
let strangers = 0;

/** The machine's root, who may make namespaces as he is; the root of a container's users makes one more, as users do. */
const rulesAll = (): boolean =>
  process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "latin1"));

/**
 * A command that runs a harness confined by Linux's namespaces: a root of its own in memory, in which only libraries and the
 * interpreter are, not writable, and /work, its empty folder; no network but a loopback that is down; no other processes and
 * no /proc; no capabilities; limits on processes, memory, files and processor time. Needs util-linux (unshare, mount,
 * pivot_root, setpriv, prlimit), and user namespaces or root. All of it ends with its first process.
 */
export const confined = (language: Language, { executable, folders }: Installed, limits: Limits): Launch => {
  const own = folders.filter((path) => !SYSTEM.has(path));
  const shown = [...LIBRARIES, ...own].filter((path) => kindOf(path) !== undefined);
  const root = placeFor(shown);
  const isRoot = rulesAll();
  strangers = (strangers + 1) % 2 ** 16;
  const user = STRANGERS + ((process.pid * 97) % 2 ** 12) * 2 ** 16 + strangers;
  const [asUser, owner] = isRoot
    ? [` --reuid ${user} --regid ${user} --clear-groups`, `,uid=${user},gid=${user}`]
    : ["", ""];
  const script = [
    "set -eu",
    "echo 1000 > /proc/self/oom_score_adj",
    `mount -t tmpfs -o mode=755,size=1m,nr_inodes=1k,nosuid,nodev none ${root}`,
    `cd ${root}`,
    "mkdir old proc dev work run",
    "ln -s work tmp",
    ...shown.map(showing),
    // What is mounted below a folder that is shown is as little writable.
    `while read -r _ _ _ _ at _; do at=$(printf %b "$at"); case $at in ${root}/*) [ ! -e "$at" ] || mount -o remount,bind,ro,nosuid,nodev "$at";; esac; done < /proc/self/mountinfo`,
    'for tool in umount setpriv prlimit; do : > run/$tool; mount --bind "$(command -v $tool)" run/$tool; mount -o remount,bind,ro,nosuid,nodev run/$tool; done',
    "for device in null zero random urandom; do : > dev/$device; mount --bind /dev/$device dev/$device; done",
    `mount -t tmpfs -o size=${FOLDER},nr_inodes=${FILES},nosuid,nodev${language.executes ? "" : ",noexec"},mode=700${owner} none work`,
    "mount --rbind /proc proc",
    `mount -o remount,bind,ro,nosuid,nodev ${root}`,
    "pivot_root . old",
    "cd /work",
    "unset OLDPWD",
    "/run/umount -l /old",
    "/run/umount -l /proc",
    "PATH=/usr/bin:/bin",
    // Not exec: as the first process of its kind a program could not be ended by its own signals.
    `/run/setpriv${asUser} --no-new-privs --inh-caps=-all --bounding-set=-all -- /run/prlimit --${language.memory}=${limits.memory * 2 ** 20} --cpu=${limits.seconds + 2} --nproc=${PROCESSES} --fsize=${FILE} --nofile=${OPEN} --core=0 --memlock=0 --msgqueue=0 --rtprio=0 -- "$@"`,
  ].join("\n");
  const namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child=KILL"];
  const harness = language.harness(seccompFilter());
  return {
    confined: true,
    command: "setpriv",
    args: [
      ...["--pdeathsig", "KILL", "--", "unshare", ...(isRoot ? [] : ["--user", "--map-root-user"]), ...namespaces],
      ...["--", "/bin/sh", "-c", script, "sandbox", ...language.command(executable), harness],
    ],
    environment: {
      ...{ PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH ?? ""}`, HOME: "/work", LANG: "C.UTF-8" },
      ...language.environment,
    },
  };
};
