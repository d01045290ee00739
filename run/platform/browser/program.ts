import { absent } from "../../../models/platform/browser/absent.js";

/** As in Node. Errors: InputError, always: a run reads and writes folders. */
export const programRun = (kind: string): never => absent("taugrad/align", kind)();

/** As in Node. Errors: InputError, always: a comparison reads and writes folders. */
export const programCompare = (): never => absent("taugrad/align", "compare")();
