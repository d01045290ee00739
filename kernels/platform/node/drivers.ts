import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { permitted } from "../../../core/permitted.js";
import type { Drivers, Machine } from "../platform.js";
import { engine } from "./engine.js";
import { homeFolder } from "./webgpu.js";

const thisMachine = (): Machine => ({
  platform: process.platform,
  env: engine.env,
  home: homeFolder(),
  exists: (path) => permitted(() => existsSync(path), false),
  opens: (path) => {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
  names: (folder) => permitted(() => (existsSync(folder) ? readdirSync(folder) : []), []),
  loads: (library) => {
    try {
      process.dlopen({ exports: {} }, library);
      return true;
    } catch (error) {
      // A library that is there but no Node addon fails in another way.
      return !(error instanceof Error && error.message.includes("cannot open shared object file"));
    }
  },
});

/** Between paths, on Linux. */
const DELIMITER = ":";

/** Where the Vulkan loader looks for drivers, and where NixOS puts them. */
const driverFolders = ({ env, home }: Machine): string[] => {
  const { XDG_CONFIG_HOME, XDG_CONFIG_DIRS, XDG_DATA_HOME, XDG_DATA_DIRS } = env;
  const lists = [
    XDG_CONFIG_HOME || `${home}/.config`,
    XDG_CONFIG_DIRS || "/etc/xdg",
    "/etc:/usr/local/etc",
    XDG_DATA_HOME || `${home}/.local/share`,
    XDG_DATA_DIRS || "/usr/local/share:/usr/share",
    "/usr/share:/run/opengl-driver/share",
  ];
  return lists.flatMap((list) => list.split(DELIMITER)).map((folder) => `${folder}/vulkan/icd.d`);
};

const hasDriver = (machine: Machine): boolean => {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, VK_ADD_DRIVER_FILES = "" } = machine.env;
  const named = VK_DRIVER_FILES || VK_ICD_FILENAMES;
  const exists = (list: string) => list.split(DELIMITER).some((path) => path !== "" && machine.exists(path));
  const holds = (folder: string) => machine.names(folder).some((name) => name.endsWith(".json"));
  return exists(VK_ADD_DRIVER_FILES) || (named ? exists(named) : driverFolders(machine).some(holds));
};

/**
 * Why Vulkan cannot work on this machine, or undefined. Asked before Dawn is, which would print warnings of its own to
 * stderr. Linux only: elsewhere Dawn does not need Vulkan.
 */
const vulkanProblem = (machine = thisMachine()): string | undefined => {
  if (machine.platform !== "linux") return undefined;
  if (!machine.loads("libvulkan.so.1")) return "the Vulkan loader (libvulkan.so.1) is not installed";
  return hasDriver(machine) ? undefined : "no Vulkan driver is installed";
};

/** Is there a graphics part among the driver's capabilities that the container was given? */
const hasGraphics = (capabilities: string): boolean =>
  capabilities.split(",").some((word) => ["all", "graphics"].includes(word.trim()));

/**
 * A GPU that the machine has and Vulkan does not show, and how to mend that, for a machine where no hardware adapter was found;
 * undefined where there is no trace of one. Linux only.
 */
const hiddenGpu = (machine = thisMachine()): string | undefined => {
  if (machine.platform !== "linux") return undefined;
  const { NVIDIA_DRIVER_CAPABILITIES: capabilities, NVIDIA_VISIBLE_DEVICES: visible } = machine.env;
  if (machine.exists("/dev/nvidiactl")) {
    const inContainer = capabilities !== undefined || visible !== undefined;
    if (inContainer && !hasGraphics(capabilities ?? ""))
      return `this container has an NVIDIA GPU without its Vulkan driver (NVIDIA_DRIVER_CAPABILITIES=${capabilities ?? ""}): start it with NVIDIA_DRIVER_CAPABILITIES=all, or with graphics added`;
    return "an NVIDIA GPU is here, and its Vulkan driver is not: install the part of the driver that brings nvidia_icd.json (libnvidia-gl)";
  }
  const nodes = machine.names("/dev/dri").filter((name) => name.startsWith("renderD"));
  const closed = nodes.map((name) => `/dev/dri/${name}`).find((path) => !machine.opens(path));
  if (closed !== undefined)
    return `a GPU is here that this user may not open (${closed}): add the user to its group (render)`;
  return nodes.length > 0
    ? "a GPU is here without a Vulkan driver for it: install mesa-vulkan-drivers (24 or later)"
    : undefined;
};

/** Why Dawn found no adapter, as far as it can be told. */
const whyNoAdapter = (machine = thisMachine()): string => {
  const [problem, hidden] = [vulkanProblem(machine), hiddenGpu(machine)];
  return [problem, hidden].filter((text) => text !== undefined).join("; ") || "no usable GPU driver was found";
};

export const drivers: Drivers = { problem: vulkanProblem, hiddenGpu, whyNoAdapter };
