import { models } from "./models.js";
import { rows } from "./rows.js";
import { settings } from "./settings.js";
import type { Target } from "./target.js";

/** Every file that is spoiled. */
export const targets: readonly Target[] = [...settings, ...rows, ...models];
