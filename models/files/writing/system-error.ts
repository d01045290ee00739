import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

/** What the system refused: a call, where it was, and why. */
export interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly errno?: number;
  readonly path?: string;
}

/** Did the system refuse a call? Errors of Node's own have codes too, but no call. */
export const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";

/** Where the system's own words leave a user alone: plainer ones, and what to do. */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EISDIR: "is a folder, not a file",
  ENOTDIR: "a part of the path is a file, not a folder",
  EEXIST: "exists already",
  ENOTEMPTY: "is not empty",
  ENOSPC: "no space left on the disk",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EFBIG: "larger than a file may be here (ulimit -f, or the file system's limit)",
  EIO: "the disk or the file system failed to read or write",
  EMFILE: "too many open files in this process; raise ulimit -n",
  ENFILE: "too many open files on this machine",
  ENOMEM: "not enough memory",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  ETXTBSY: "is a program that runs now",
  EBUSY: "is in use",
  ESTALE: "the file system that it lies on is gone; mount it again",
  EXDEV: "lies on another file system",
};

/** Names by number: Node gives those that it does not know as "Unknown system error -122". */
const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** The error's name, such as ENOSPC, of all that the system knows. */
export const errorName = ({ code, errno }: Pick<SystemError, "code" | "errno">): string =>
  /^E[A-Z0-9_]+$/.test(code) ? code : (NAMES.get(Math.abs(errno ?? 0)) ?? code);

/** Why the system refused, in words without a path. */
export const systemWords = (error: SystemError): string => {
  const name = errorName(error);
  const [, said] = getSystemErrorMap().get(error.errno ?? 0) ?? [];
  return WORDS[name] ?? (said === undefined ? name : `${said} (${name})`);
};

/** What went wrong, for the brackets of a message: the system's name and words, or what else an error says. */
export const reasonOf = (error: unknown): string =>
  isSystemError(error)
    ? `${errorName(error)}: ${systemWords(error)}`
    : error instanceof Error
      ? error.message
      : String(error);

/** Runs what reads or writes an open file: the system's errors there know no path, and get this one. */
export const at = <T>(path: string, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    if (isSystemError(error) && error.path === undefined) Object.assign(error, { path });
    throw error;
  }
};
