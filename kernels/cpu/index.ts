export { type CpuOptions, openCpu } from "./device.js";
