/**
 * Devices that compute graphs: WebGPU (Dawn), WebAssembly on all cores, and an f64 reference that interprets definitions.
 * @module taugrad/devices
 */
export { type Bits, type CpuOptions, openCpu } from "./cpu/index.js";
export {
  type Choice,
  type DeviceName,
  type DoctorReport,
  describeAdapters,
  doctor,
  type OpenOptions,
  open,
} from "./open.js";
export { openReference } from "./reference/index.js";
export {
  type AdapterReport,
  type Explained,
  openWebgpu,
  PROFILE_NAMES,
  type ProfileName,
  PURPOSES,
  plannerFor,
  plannerOfReport,
  type Tune,
  type Tuning,
  tuneWebgpu,
  type WebgpuOptions,
} from "./webgpu/index.js";
