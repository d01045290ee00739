export type { AdapterReport } from "./adapter-report.js";
export { describeAdapters } from "./describe.js";
export { openWebgpu, type WebgpuOptions } from "./device.js";
export { PROFILE_NAMES, type ProfileName } from "./profile-names.js";
export { plannerFor, plannerOfReport } from "./profiles.js";
export { whyNoAdapter } from "./vulkan.js";
