import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const LOADER = "libvulkan.so.1";
const PLACES = ["lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"].flatMap((place) => [
  join("/", place),
  join("/usr", place),
  join("/usr/local", place),
]);

/** Whether the dynamic linker's cache names the loader; undefined where there is no cache to ask (musl, NixOS). */
const isCached = (): boolean | undefined => {
  try {
    return readFileSync("/etc/ld.so.cache").includes(LOADER);
  } catch {
    return undefined;
  }
};

/**
 * Whether Dawn would surely find no Vulkan on this Linux. Asked first, because Dawn writes several lines to the terminal
 * about a missing loader. In doubt: no.
 */
export const vulkanIsMissing = (): boolean => {
  const { LD_LIBRARY_PATH = "", LD_PRELOAD, VK_ICD_FILENAMES, VK_DRIVER_FILES } = process.env;
  if (process.platform !== "linux" || [LD_PRELOAD, VK_ICD_FILENAMES, VK_DRIVER_FILES].some((text) => text))
    return false;
  const places = [...LD_LIBRARY_PATH.split(delimiter).filter((place) => place !== ""), ...PLACES];
  return isCached() === false && !places.some((place) => existsSync(join(place, LOADER)));
};
