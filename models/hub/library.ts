import { InputError } from "../../core/errors.js";
import { patientFetch } from "./patient-fetch.js";
import type { HubSettings } from "./settings.js";

type Library = typeof import("@huggingface/hub");

/** The client of the Hub is not there. */
export class NotInstalled extends InputError {
  override readonly name = "NotInstalled";
}

/** The client of the Hub, an optional peer. Errors: NotInstalled that says how to get it; `what` needs it. */
export const hubLibrary = async (what: string): Promise<Library> => {
  try {
    return await import("@huggingface/hub");
  } catch {
    throw new NotInstalled(`${what} takes one more package: npm install @huggingface/hub`);
  }
};

/** What each call of the client is told. */
export const asking = ({ endpoint, token, pause }: HubSettings) => ({
  hubUrl: endpoint,
  fetch: patientFetch(pause),
  ...(token !== undefined && { accessToken: token }),
});

/** The status and the code that the Hub answered a failed call with; undefined for other errors. */
export const answered = (error: unknown): number | undefined =>
  error instanceof Error && "statusCode" in error && typeof error.statusCode === "number"
    ? error.statusCode
    : undefined;

/** What the Hub said, on one line, without the address and the number of the request. */
export const saidBy = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .replace(/\. (URL|Request ID): .*$/s, "")
    .replace(/\s+/g, " ");
