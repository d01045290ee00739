import { globals } from "./globals.js";
import { parse } from "./parse.js";
import { render, type Span } from "./render.js";
import { strftime } from "./strftime.js";
import { fromJson, type Value } from "./values.js";

export type { Span } from "./render.js";

/** A compiled template: JSON by name → text, and the spans of its `{% generation %}` blocks in UTF-16 units. */
export type Template = (
  names: Readonly<Record<string, unknown>>,
  now: Date,
) => { readonly text: string; readonly spans: readonly Span[] };

/** Steps that a conversation may take (a message takes some hundred). */
const STEPS = 200_000;

/** A template that loops without end takes any number of steps. Errors: Error once they are used up. */
const budget = () => {
  let left = STEPS;
  return (steps: number): void => {
    left -= steps;
    if (!(left >= 0)) throw new Error(`it takes more than ${STEPS} steps`);
  };
};

/**
 * Compiles a Jinja2 template as transformers does: a sandbox whose values cannot be changed, trim_blocks and lstrip_blocks on,
 * `{% break %}`, `{% continue %}` and `{% generation %}`, `raise_exception`, `strftime_now`, and `tojson` without HTML escapes.
 *
 * Own, because @huggingface/jinja 0.5's parser loses what no runtime above it can bring back: tests take no argument
 * (`is divisibleby(3)`), `a < b < c` compares a truth value, `{% for … if … %}` and an inline if are one node, `+%}` and raw
 * blocks are missing, lstrip_blocks reaches into strings; and above it None prints as nothing, generators are lists, methods
 * ignore arguments (for upstream). Held to Jinja2 3.1.6's values by props/models/text/jinja.test.ts.
 * Errors: Error, one line, if the template does not parse; the same from the template, for what Jinja2 raises.
 */
export const compileTemplate = (source: string): Template => {
  const statements = parse(source);
  return (names, now) => {
    const pay = budget();
    const given = fromJson(names) as ReadonlyMap<string, Value>;
    return render(statements, new Map([...globals(pay, (format) => strftime(now, format)), ...given]), pay);
  };
};
