export type { AdapterReport } from "./adapter-report.js";
export { describeAdapters } from "./describe.js";
export { openWebgpu, type WebgpuOptions } from "./device.js";
export { whyNoAdapter } from "./vulkan.js";
