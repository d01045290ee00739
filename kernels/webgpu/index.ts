export type { AdapterReport } from "./adapter-report.js";
export { alikeHints, describeAdapters, explainAdapters, missingGpu } from "./describe.js";
export { openWebgpu, type WebgpuOptions } from "./device.js";
export { type Mode, modeOf, PURPOSES } from "./modes.js";
export { PROFILE_NAMES, type ProfileName } from "./profile-names.js";
export { plannerFor, plannerOfReport } from "./profiles.js";
export type { Explained } from "./unlocked.js";
export { whyNoAdapter } from "./vulkan.js";
