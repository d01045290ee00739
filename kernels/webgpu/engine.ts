export { openWebgpu } from "./device.js";
export { plannerFor, plannerOfReport } from "./profiles.js";
