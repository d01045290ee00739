import assert from "node:assert/strict";
import { InputError } from "../../core/errors.js";

const matches =
  (pattern: RegExp) =>
  (error: unknown): true => {
    assert.ok(error instanceof InputError, `expected an InputError, got ${String(error)}`);
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("\n"), `one line: ${error.message}`);
    return true;
  };

/** Asserts that `run` throws an InputError of one line that matches. */
export const refused = (run: () => unknown, pattern: RegExp): void => assert.throws(run, matches(pattern));

/** Asserts that `run` rejects with an InputError of one line that matches. */
export const refusedLater = (run: () => Promise<unknown>, pattern: RegExp): Promise<void> =>
  assert.rejects(run, matches(pattern));
