/** Where a model lies, as a folder, and how its files are told from others. */
import { type Folder, folderAt, folderIn, folderOf } from "../../models/index.js";
import { sha256 } from "../../models/platform/node/sha256.js";
import { READ } from "./chosen.js";
import type { Place } from "./messages.js";

export const folderOfPlace = (place: Place): Folder => {
  switch (place.kind) {
    case "files":
      return folderOf(place.files, place.name);
    case "handle":
      return folderIn(place.handle);
    case "address":
      return folderAt(new URL(place.address, location.href));
  }
};

/** Bytes of a file that are looked at, at so many places of it. */
const [SAMPLE, PLACES] = [4096, 16];

/** What tells a model's files from others: names, sizes, and samples of what is in them. */
export const digestOf = async (folder: Folder): Promise<string> => {
  const hash = sha256();
  for (const name of [...new Set([...(await folder.names()), "config.json", "model.safetensors"])].sort()) {
    const file = READ.test(name) ? await folder.file(name) : undefined;
    if (file === undefined) continue;
    hash.update(new TextEncoder().encode(`${name} ${file.size}\n`));
    for (let i = 0; i < PLACES; i++) {
      const at = Math.floor((i * Math.max(0, file.size - SAMPLE)) / (PLACES - 1));
      hash.update(await file.read(at, Math.min(file.size, at + SAMPLE)));
    }
  }
  return hash.hex();
};
