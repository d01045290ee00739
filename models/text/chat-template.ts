import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { InputError } from "../../core/errors.js";
import { oneLine } from "../files/json.js";
import type { ChatMessage } from "./chat-message.js";

/** What a template may be told beside the messages. */
export interface RenderOptions {
  /** Ends with the opening of an assistant turn, for generating one. */
  readonly addGenerationPrompt?: boolean;
  /** What `strftime_now` takes for now. */
  readonly now?: Date;
  /** Further template variables: `tools`, `documents`, `enable_thinking` … */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Renders a conversation as text. */
export type ChatRenderer = (messages: readonly ChatMessage[], options?: RenderOptions) => string;

/**
 * Compiles a Jinja chat template with what transformers gives it: messages, add_generation_prompt, tools, documents, the
 * special tokens by name, `raise_exception`, `strftime_now`; trim_blocks and lstrip_blocks on.
 * Errors: InputError, one line, if the template does not parse, or raises while it renders.
 */
export const compileChatTemplate = (
  source: string,
  path: string,
  specialTokens: Readonly<Record<string, string>>,
): ChatRenderer => {
  const { parsed } = guarded(`${path}: chat template does not parse`, () => new Template(source));
  return (messages, { addGenerationPrompt = false, now = new Date(), variables = {} } = {}) =>
    guarded(`${path}: chat template refuses the conversation`, () => {
      const [scope, pay] = [new Environment(), budget()];
      const names: Readonly<Record<string, unknown>> = {
        ...globals,
        range: rangeFor(pay),
        strftime_now: (format: string) => strftime(now, format),
        ...specialTokens,
        tools: null,
        documents: null,
        ...variables,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: addGenerationPrompt,
      };
      for (const [name, value] of Object.entries(names)) scope.set(name, value);
      const text = String(paying(new Interpreter(scope), pay).run(parsed).value);
      if (text.length > LONGEST) throw new Error(`it makes more than ${LONGEST} characters of it`);
      return text;
    });
};

/** Steps that a conversation may take (a message takes some hundred), and characters that it may become. */
const [STEPS, LONGEST] = [200_000, 1 << 21];

/** A template that loops without end takes any number of steps. Errors: Error once they are used up. */
const budget = () => {
  let left = STEPS;
  return (steps: number): void => {
    left -= steps;
    if (!(left >= 0)) throw new Error(`it takes more than ${STEPS} steps`);
  };
};

/** An interpreter that pays for what it does. */
const paying = (interpreter: Interpreter, pay: (steps: number) => void): Interpreter => {
  const evaluate = interpreter.evaluate.bind(interpreter);
  interpreter.evaluate = (...args: Parameters<typeof evaluate>) => {
    pay(1);
    return evaluate(...args);
  };
  return interpreter;
};

/** What Jinja itself declares. The library's `render` declares the same, but lets no caller replace its clock. */
const globals: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: string) => {
    throw new Error(message);
  },
};

const rangeFor =
  (pay: (steps: number) => void) =>
  (start: number, stop?: number, step = 1): number[] => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    const length = Math.max(0, Math.ceil((to - from) / step));
    pay(length);
    return Array.from({ length }, (_, i) => from + i * step);
  };

const guarded = <T>(label: string, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    throw new InputError(`${label}: ${oneLine(error instanceof Error ? error.message : String(error))}`);
  }
};

const months = "January February March April May June July August September October November December".split(" ");
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const two = (n: number): string => String(n).padStart(2, "0");

/** Python's strftime in the C locale, local time; the template library's own follows the machine's language. */
const strftime = (now: Date, format: string): string => {
  const fields: Readonly<Record<string, () => string>> = {
    Y: () => String(now.getFullYear()),
    y: () => two(now.getFullYear() % 100),
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    B: () => months[now.getMonth()],
    b: () => months[now.getMonth()].slice(0, 3),
    A: () => days[now.getDay()],
    a: () => days[now.getDay()].slice(0, 3),
    H: () => two(now.getHours()),
    I: () => two(((now.getHours() + 11) % 12) + 1),
    p: () => (now.getHours() < 12 ? "AM" : "PM"),
    M: () => two(now.getMinutes()),
    S: () => two(now.getSeconds()),
    "%": () => "%",
  };
  return format.replace(/%(.)/g, (whole, letter: string) => (Object.hasOwn(fields, letter) ? fields[letter]() : whole));
};
