import { placeOfFiles } from "./chosen.js";
import type { Place } from "./messages.js";

type Picker = (options?: { readonly mode?: "read" | "readwrite" }) => Promise<FileSystemDirectoryHandle>;
const picker = (): Picker | undefined =>
  (globalThis as { readonly showDirectoryPicker?: Picker }).showDirectoryPicker?.bind(globalThis);

/** Can this browser write into a folder that a visitor chooses? */
export const writesFolders = (): boolean => picker() !== undefined;

/** Hands on a folder that a visitor chooses, to read or to write, or why there is none; nothing where they think better of it. */
export const chooseFolder = async (
  mode: "read" | "readwrite",
  use: (handle: FileSystemDirectoryHandle) => void,
  say: (problem: string) => void,
): Promise<void> => {
  try {
    const handle = await picker()?.({ mode });
    if (handle !== undefined) use(handle);
  } catch (error) {
    if ((error as Error).name !== "AbortError") say((error as Error).message);
  }
};

/** Lets a button choose a model's folder: by a handle, or where there are none by its files. */
export const choosing = (
  button: HTMLElement,
  input: HTMLInputElement,
  use: (place: Place) => void,
  say: (problem: string) => void,
): void => {
  button.addEventListener("click", () => {
    if (!writesFolders()) return input.click();
    void chooseFolder("read", (handle) => use({ kind: "handle", handle }), say);
  });
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    if (files.length > 0) use(placeOfFiles(files));
    input.value = "";
  });
};
