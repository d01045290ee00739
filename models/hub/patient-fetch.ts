import { InputError } from "../../core/errors.js";

/** Answers that may be others a moment later. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);
/** Times that a request without an answer, or with a passing one, is made. */
export const ATTEMPTS = 5;

/** Waits after attempt n, counted from 1: `pause` ms and twice as long each time, or as the server says. */
export const waitAfter = (attempt: number, pause: number, retryAfter: string | null = null): Promise<void> => {
  const asked = Number(retryAfter);
  const ms = retryAfter !== null && asked >= 0 && asked <= 60 ? 1000 * asked : pause * 2 ** (attempt - 1);
  return new Promise((resolve) => setTimeout(resolve, ms));
};

/** What the network said, without the words around it. */
export const reason = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return "code" in cause ? `${String(cause.code)}: ${cause.message}` : cause.message;
  return error.message;
};

/** A request that never reached its server. */
export class Unreachable extends InputError {
  override readonly name = "Unreachable";
}

/**
 * `fetch` that asks again, five times in all, where no answer comes or one that passes (429, 5xx).
 * Errors: Unreachable, once nothing has come.
 */
export const patientFetch =
  (pause: number): typeof fetch =>
  async (input, init) => {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await fetch(input, init);
        if (!PASSING.has(response.status) || attempt === ATTEMPTS) return response;
        await response.body?.cancel();
        await waitAfter(attempt, pause, response.headers.get("retry-after"));
      } catch (error) {
        // A name that no server has will not have one in a second.
        if (init?.signal?.aborted) throw error;
        const hopeless = /ENOTFOUND|ERR_INVALID_URL|CERT/.test(reason(error));
        if (hopeless || attempt === ATTEMPTS) {
          const { host } = new URL(input instanceof Request ? input.url : input);
          throw new Unreachable(`${host} cannot be reached (${reason(error)})`);
        }
        await waitAfter(attempt, pause);
      }
    }
  };
