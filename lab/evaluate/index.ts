export { type EvaluationResult, evaluateTasks, type TaskResult } from "./evaluate.js";
export { type Subject, subject } from "./model.js";
export { checkTasks, tryJudges } from "./prepare.js";
export { parseTasks } from "./tasks.js";
