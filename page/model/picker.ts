import type { Place } from "./messages.js";

type Picker = (options?: { readonly mode?: "read" | "readwrite" }) => Promise<FileSystemDirectoryHandle>;
const picker = (): Picker | undefined =>
  (globalThis as { readonly showDirectoryPicker?: Picker }).showDirectoryPicker?.bind(globalThis);

/** Can this browser write into a folder that a visitor chooses? */
export const writesFolders = (): boolean => picker() !== undefined;

/** A folder that a visitor chooses, to read or to write; undefined where they think better of it. */
export const chosenFolder = async (mode: "read" | "readwrite"): Promise<FileSystemDirectoryHandle | undefined> => {
  try {
    return await picker()?.({ mode });
  } catch (error) {
    if ((error as Error).name === "AbortError") return undefined;
    throw error;
  }
};

/** Lets a button choose a model's folder: by a handle, or where there are none by its files. */
export const choosing = (button: HTMLElement, input: HTMLInputElement, use: (place: Place) => void): void => {
  button.addEventListener("click", async () => {
    if (!writesFolders()) return input.click();
    const handle = await chosenFolder("read");
    if (handle !== undefined) use({ kind: "handle", handle });
  });
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    if (files.length > 0) use({ kind: "files", files });
    input.value = "";
  });
};
