/** What a visitor chose, and may be asked to allow again. */
import type { Place } from "./messages.js";

/** What a model is read from; of other files in its folder nothing is kept. */
export const READ = /\.(safetensors|json|jinja|txt|model)$/;

/** A place of files that a visitor chose, as far as a model is read from them: a folder's own, not those of folders in it. */
export const placeOfFiles = (files: readonly File[]): Place => {
  const paths = files.map((file) => [file.webkitRelativePath.split("/"), file] as const);
  const own = paths.filter(([path, { name }]) => path.length <= 2 && READ.test(name));
  const name = paths[0]?.[0][0] || "the files";
  return { kind: "files", name, files: Object.fromEntries(own.map(([, file]) => [file.name, file])) };
};

/** What Chromium's handles have, and others need not ask. */
type Asked = FileSystemDirectoryHandle & {
  readonly queryPermission?: (options: { readonly mode: "read" }) => Promise<PermissionState>;
  readonly requestPermission?: (options: { readonly mode: "read" }) => Promise<PermissionState>;
};

/** May it be read as it stands? A handle of yesterday's may have to be allowed anew. */
export const mayRead = async (place: Place): Promise<boolean> =>
  place.kind !== "handle" ||
  ((await (place.handle as Asked).queryPermission?.({ mode: "read" })) ?? "granted") === "granted";

/** Asks whoever is at the screen, who has just clicked. */
export const allowed = async (place: Place): Promise<boolean> =>
  (await mayRead(place)) ||
  (place.kind === "handle" && (await (place.handle as Asked).requestPermission?.({ mode: "read" })) === "granted");
