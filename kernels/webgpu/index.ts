export { type AdapterReport, describeAdapters } from "./adapter.js";
export { openWebgpu, type WebgpuOptions } from "./device.js";
