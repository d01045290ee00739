import { InputError } from "../../core/errors.js";
import { isSystemError } from "../../models/files/writing/system-error.js";
import type { Ending } from "./claim-file.js";

/** What ended a job through no fault of its own: it may be done by the next who comes. */
export class Interrupted extends InputError {
  override readonly name = "InputError";
}

/** The process that did a job was killed: if by that job, for want of memory say, it will be again. */
export class WorkerLost extends Interrupted {}

/** How a claim ends on an error that is not the job's own; undefined for one that is, and comes again. */
export const endingOf = (error: unknown): Ending | undefined => {
  if (error instanceof WorkerLost) return { end: "lost", reason: error.message };
  const isOutside = isSystemError(error) || (error instanceof Error && isSystemError(error.cause));
  return isOutside || error instanceof Interrupted ? { end: "left" } : undefined;
};
