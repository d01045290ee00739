export { type Bits, wantedBits } from "./bits.js";
export { type CpuOptions, openCpu } from "./device.js";
export { madd } from "./wasm/multiply-add.js";
