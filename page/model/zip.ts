import { downloadZip } from "client-zip";
import type { FileContent } from "../../models/folders/memory.js";

/** Files in one folder of an archive. */
export const zipped = (files: ReadonlyMap<string, FileContent>, folder: string): Promise<Blob> =>
  downloadZip(
    [...files].map(([name, content]) => ({
      name: `${folder}/${name}`,
      input: content instanceof Blob ? content : (content as Uint8Array<ArrayBuffer>),
    })),
  ).blob();
