export { openReference } from "./device.js";
