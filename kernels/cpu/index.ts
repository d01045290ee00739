export { type CpuOptions, openCpu } from "./device.js";
export { type Bits, wantedBits } from "./wasm/bits.js";
export { madd } from "./wasm/multiply-add.js";
