import type { Cache } from "../platform.js";
import { engine } from "./engine.js";
import { page } from "./page.js";

/** A page's own; a worker has none, and who forbids cookies forbids it too. */
const storage = () => {
  try {
    return page.localStorage;
  } catch {
    return undefined;
  }
};

export const cache: Cache = {
  compiler: () => engine.version,
  place: (key, folder = "taugrad") => (storage() === undefined ? undefined : `${folder}/webgpu-${key}`),
  read: (place) => ({ text: storage()?.getItem(place) ?? undefined }),
  write: (place, text) => {
    try {
      storage()?.setItem(place, text);
      return undefined;
    } catch (error) {
      return `the page's storage cannot be written (${error instanceof Error ? error.name : error})`;
    }
  },
};
