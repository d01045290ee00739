import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Where the Vulkan loader looks for drivers, and where NixOS puts them. */
const driverFolders = (): string[] => {
  const { XDG_CONFIG_HOME, XDG_CONFIG_DIRS, XDG_DATA_HOME, XDG_DATA_DIRS } = process.env;
  const lists = [
    XDG_CONFIG_HOME || join(homedir(), ".config"),
    XDG_CONFIG_DIRS || "/etc/xdg",
    "/etc:/usr/local/etc",
    XDG_DATA_HOME || join(homedir(), ".local", "share"),
    XDG_DATA_DIRS || "/usr/local/share:/usr/share",
    "/usr/share:/run/opengl-driver/share",
  ];
  return lists.flatMap((list) => list.split(delimiter)).map((folder) => join(folder, "vulkan", "icd.d"));
};

const holdsDriver = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".json"));

const hasDriver = (): boolean => {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, VK_ADD_DRIVER_FILES = "" } = process.env;
  const named = VK_DRIVER_FILES || VK_ICD_FILENAMES;
  const exists = (list: string) => list.split(delimiter).some((path) => path !== "" && existsSync(path));
  return exists(VK_ADD_DRIVER_FILES) || (named ? exists(named) : driverFolders().some(holdsDriver));
};

const hasLoader = (): boolean => {
  try {
    process.dlopen({ exports: {} }, "libvulkan.so.1");
    return true;
  } catch (error) {
    // A library that is there but no Node addon fails in another way.
    return !(error instanceof Error && error.message.includes("cannot open shared object file"));
  }
};

/**
 * Why Vulkan cannot work on this machine, or undefined. Asked before Dawn is, which would print warnings of its own to
 * stderr. Linux only: elsewhere Dawn does not need Vulkan.
 */
export const vulkanProblem = (): string | undefined => {
  if (process.platform !== "linux") return undefined;
  if (!hasLoader()) return "the Vulkan loader (libvulkan.so.1) is not installed";
  return hasDriver() ? undefined : "no Vulkan driver is installed";
};

/** Why Dawn found no adapter, as far as it can be told. */
export const whyNoAdapter = (): string => vulkanProblem() ?? "no usable GPU driver was found";
