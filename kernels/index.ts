export { openCpu } from "./cpu/index.js";
export { type Choice, type DeviceName, doctor, type DoctorReport, open, type OpenOptions } from "./open.js";
export { openReference } from "./reference/index.js";
export { type AdapterReport, describeAdapters, openWebgpu, type WebgpuOptions } from "./webgpu/index.js";
