import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";

/** What is looked at to tell why there is no GPU: laws give one of their own. */
export interface Machine {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Empty for a user without a home. */
  readonly home: string;
  readonly exists: (path: string) => boolean;
  /** May this user read and write it? */
  readonly opens: (path: string) => boolean;
  /** Names in a folder; none if there is no such folder. */
  readonly names: (folder: string) => readonly string[];
  /** Is the shared library there? */
  readonly loads: (library: string) => boolean;
}

/** The user's home; empty where the system knows none: no HOME, and no entry for the user. */
export const homeFolder = (): string => {
  try {
    return homedir();
  } catch {
    return "";
  }
};

/** The machine that this process runs on. */
export const thisMachine = (): Machine => ({
  platform: process.platform,
  env: process.env,
  home: homeFolder(),
  exists: existsSync,
  opens: (path) => {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
  names: (folder) => (existsSync(folder) ? readdirSync(folder) : []),
  loads: (library) => {
    try {
      process.dlopen({ exports: {} }, library);
      return true;
    } catch (error) {
      // A library that is there but no Node addon fails in another way.
      return !(error instanceof Error && error.message.includes("cannot open shared object file"));
    }
  },
});
