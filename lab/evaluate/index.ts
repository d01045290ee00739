export {
  type EvaluateTasksOptions,
  type EvaluationResult,
  evaluateTasks,
  type TaskResult,
} from "./evaluate.js";
export { type Subject, subject } from "./model.js";
export { parseTasks, type Sampling, type Task } from "./tasks.js";
