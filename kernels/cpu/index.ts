export { openCpu } from "./device.js";
