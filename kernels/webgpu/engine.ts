export { openWebgpu } from "./device.js";
export { plannerFor, plannerOfReport, unitsOfReport } from "./profiles.js";
