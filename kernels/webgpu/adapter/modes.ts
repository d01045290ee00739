import { InputError } from "../../../core/index.js";
import { engine } from "../../platform/node/engine.js";

/**
 * How much of Dawn is unlocked. plain: nothing, as a browser would have it, and no optional feature is used. full, the default:
 * whatever is safe. fast: also without checks of addresses and sizes in shaders, so that a wrong kernel may crash the driver;
 * only where it is asked for by name.
 */
export const MODES = ["plain", "full", "fast"] as const;
export type Mode = (typeof MODES)[number];

/** No kernel reads workgroup memory that it has not written; clearing it takes software adapters seconds to compile. */
const FULL = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", "use_vulkan_memory_model", "disable_workgroup_init"];
const FAST = ["disable_robustness", "disable_polyfills_on_integer_div_and_mod"];

/** Dawn's toggles: those that are turned on, those that are turned off. */
export interface Toggles {
  readonly on: readonly string[];
  readonly off: readonly string[];
}

/** The toggles of a mode. */
export const TOGGLES: Readonly<Record<Mode, Toggles>> = {
  plain: { on: [], off: [] },
  full: { on: FULL, off: ["timestamp_quantization"] },
  fast: { on: [...FULL, ...FAST], off: ["timestamp_quantization"] },
};

/**
 * The mode that TAUGRAD_WEBGPU names: plain, full or fast. The tests put "required" beside it, with a comma, which means
 * something to them alone: laws without an adapter fail. Errors: InputError for any other word, and for two modes.
 */
export const modeOf = (said = engine.env.TAUGRAD_WEBGPU ?? ""): Mode => {
  const words = said.split(/[\s,]+/).filter((word) => word !== "" && word !== "required");
  const unknown = words.find((word) => !(MODES as readonly string[]).includes(word));
  if (unknown !== undefined)
    throw new InputError(`TAUGRAD_WEBGPU "${unknown}" is not known: use ${MODES.join(", ")} or required`);
  if (new Set(words).size > 1) throw new InputError(`TAUGRAD_WEBGPU "${said}": use one of ${MODES.join(", ")}`);
  return (words[0] as Mode | undefined) ?? "full";
};

/** Options of Dawn's `create`. */
export const flagsOf = ({ on, off }: Toggles): string[] => [
  ...(on.length > 0 ? [`enable-dawn-features=${on.join()}`] : []),
  ...(off.length > 0 ? [`disable-dawn-features=${off.join()}`] : []),
];
