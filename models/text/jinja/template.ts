import { withSteps } from "./budget.js";
import { globals } from "./globals.js";
import { parse } from "./parse.js";
import { render, type Span } from "./render.js";
import { strftime } from "./strftime.js";
import { fromJson, sizeOf, type Value } from "./values.js";

export type { Span } from "./render.js";

/** A compiled template: JSON by name → text, and the spans of its `{% generation %}` blocks in UTF-16 units. */
export type Template = (
  names: Readonly<Record<string, unknown>>,
  now: Date,
) => { readonly text: string; readonly spans: readonly Span[] };

/** Steps that a conversation may take beside one for each of its characters (a message takes some hundred). */
const STEPS = 2 ** 21;
/** Longest template; a long one has 50 000 characters. */
const LONGEST = 2 ** 20;

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
  if (source.length > LONGEST) throw new Error(`it has ${source.length} characters, at most ${LONGEST} are read`);
  const statements = parse(source);
  return (names, now) => {
    const given = fromJson(names) as ReadonlyMap<string, Value>;
    return withSteps(STEPS + sizeOf(given as Value), () =>
      render(statements, new Map([...globals((format) => strftime(now, format)), ...given])),
    );
  };
};
