export { type EvaluationResult, evaluateTasks, type TaskResult } from "./evaluate.js";
export { type Subject, subject } from "./model.js";
export { checkTasks, tryTasks } from "./prepare.js";
export { tableRow } from "./table.js";
export { parseTasks } from "./tasks.js";
export { toolsOf } from "./tools.js";
