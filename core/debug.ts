import { permitted } from "./permitted.js";

/** What `DEBUG=plan,timings` prints: graphs as traced, plans, times, shader texts, tensors that were never disposed of. */
export type DebugTopic = "graph" | "plan" | "timings" | "shaders" | "leaks";

/** Was the topic asked for in the environment? Read at each call; nothing is asked for where there is no environment. */
export const debugs = (topic: DebugTopic): boolean =>
  permitted(() => globalThis.process?.env?.DEBUG?.split(/[\s,]+/).includes(topic), undefined) ?? false;
