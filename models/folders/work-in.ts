import { diskFolder } from "../platform/node/disk.js";
import type { Folder } from "./folder.js";
import { atOnce, inTurn, type Soon, type Work } from "./work.js";

/** The folder that a path or a folder is. */
export const folderFrom = (folder: string | Folder): Folder =>
  typeof folder === "string" ? diskFolder(folder) : folder;

/** Does work in a folder: at once in one of the disk, given by its path; else in turn. */
export const workIn = <T>(folder: string | Folder, work: (folder: Folder) => Work<T>): Soon<T> =>
  typeof folder === "string" ? atOnce(work(diskFolder(folder))) : inTurn(work(folder));
