import { InputError } from "../../../core/errors.js";
import type { Folder, StoredFile } from "../../folders/folder.js";

const refuse = (path: string): never => {
  throw new InputError(
    `${path}: is a path, and a browser has none; folderAt reads an address, folderOf files, folderIn a handle of the browser's`,
  );
};

/** As in Node. Errors: InputError, always. */
export const diskFile = (path: string): StoredFile => refuse(path);

/** As in Node. Errors: InputError, always. */
export const diskFolder = (path: string): Folder => refuse(path);
