export { type EvaluationResult, evaluateTasks, type TaskResult } from "./evaluate.js";
export { type Subject, subject } from "./model.js";
export { checkTasks, countRows, tryTasks } from "./prepare.js";
export { tableRow } from "./table.js";
export { parseTasks } from "./tasks.js";
export { type Tools, toolsOf } from "./tools.js";
