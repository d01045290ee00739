export { type CpuOptions, openCpu } from "./cpu/index.js";
export { type Choice, type DeviceName, type DoctorReport, doctor, type OpenOptions, open } from "./open.js";
export { openReference } from "./reference/index.js";
export {
  type AdapterReport,
  describeAdapters,
  openWebgpu,
  PROFILE_NAMES,
  type ProfileName,
  plannerFor,
  plannerOfReport,
  type WebgpuOptions,
} from "./webgpu/index.js";
