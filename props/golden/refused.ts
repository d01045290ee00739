import assert from "node:assert/strict";
import { InputError } from "../../core/errors.js";

/** Asserts that `run` throws an InputError of one line that matches. */
export const refused = (run: () => unknown, pattern: RegExp): void => {
  assert.throws(run, (error) => {
    assert.ok(error instanceof InputError, `expected an InputError, got ${String(error)}`);
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("\n"), `one line: ${error.message}`);
    return true;
  });
};
