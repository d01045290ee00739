import { InputError } from "../../core/errors.js";
import { isObject, type JsonObject, oneLine } from "../files/json.js";
import { asWritten } from "../files/written-json.js";
import { textIn } from "../folders/files.js";
import type { Folder } from "../folders/folder.js";
import type { Work } from "../folders/work.js";
import type { ChatMessage } from "./chat-message.js";
import { compileTemplate, type Span } from "./jinja/template.js";

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

/** A rendered conversation, and the stretches of it that `{% generation %}` marks as the assistant's, in UTF-16 units. */
export interface Rendered {
  readonly text: string;
  readonly spans: readonly Span[];
}

/** Renders a conversation with its spans. */
export type SpanRenderer = (messages: readonly ChatMessage[], options?: RenderOptions) => Rendered;

/** A template's text, and the file that errors name for it. */
export interface TemplateSource {
  readonly text: string;
  readonly path: string;
}

/** Chat templates by name. */
export type Templates = Readonly<Record<string, TemplateSource>>;

/**
 * The chat templates of a folder by name: `chat_template.jinja` is "default", `additional_chat_templates/tool_use.jinja` is
 * "tool_use"; without the first, tokenizer_config.json's `chat_template`: a text, or a list of {name, template}.
 * Errors: InputError for another shape.
 */
export function* chatTemplatesIn(folder: Folder, config: JsonObject, configPath: string): Work<Templates> {
  const text = yield* textIn(folder, "chat_template.jinja");
  if (text === undefined) return inlineTemplates(config, configPath);
  const more = folder.within("additional_chat_templates");
  const withTools = yield* textIn(more, "tool_use.jinja");
  return {
    default: { text, path: folder.pathOf("chat_template.jinja") },
    ...(withTools !== undefined && { tool_use: { text: withTools, path: more.pathOf("tool_use.jinja") } }),
  };
}

/** The templates that a tokenizer_config.json holds itself. Errors: InputError for a value that is none. */
export const inlineTemplates = (config: JsonObject, configPath: string): Templates => {
  const inline = config.chat_template;
  if (inline == null) return {};
  const list = Array.isArray(inline) ? inline : [{ name: "default", template: inline }];
  const named = list.filter((entry): entry is { name: string; template: string } => {
    return isObject(entry) && typeof entry.name === "string" && typeof entry.template === "string";
  });
  if (named.length < list.length || !named.some(({ name }) => name === "default"))
    throw new InputError(`${configPath}: chat_template must be a text, or a list with one named "default"`);
  return Object.fromEntries(named.map(({ name, template }) => [name, { text: template, path: configPath }]));
};

/**
 * Renders with the default template, or with the one named "tool_use" where there is one and `tools` are given, as
 * transformers does. Errors (of the renderer): InputError without a template, or if it refuses the conversation.
 */
export const chatRenderer = (
  sources: Templates,
  specialTokens: Readonly<Record<string, string>>,
  folder: string,
): SpanRenderer => {
  const compiled = (name: string): SpanRenderer | undefined =>
    Object.hasOwn(sources, name)
      ? compileChatTemplate(sources[name].text, sources[name].path, specialTokens)
      : undefined;
  const [plain, withTools] = [compiled("default"), compiled("tool_use")];
  if (plain === undefined)
    return () => {
      throw new InputError(`${folder}: has no chat template (chat_template.jinja); use plain text rows, or add one`);
    };
  return (messages, options) => (options?.variables?.tools != null ? (withTools ?? plain) : plain)(messages, options);
};

/**
 * Compiles a Jinja chat template with what transformers gives it: messages, add_generation_prompt, tools, documents, the
 * special tokens by name, `raise_exception`, `strftime_now`; trim_blocks and lstrip_blocks on.
 * Errors: InputError, one line, if the template does not parse, or raises while it renders.
 */
export const compileChatTemplate = (
  source: string,
  path: string,
  specialTokens: Readonly<Record<string, string>>,
): SpanRenderer => {
  const template = guarded(`${path}: chat template does not parse`, () => compileTemplate(source));
  return (messages, { addGenerationPrompt = false, now = new Date(), variables = {} } = {}) =>
    guarded(`${path}: chat template refuses the conversation`, () => {
      const defaults = { ...specialTokens, tools: null, documents: null };
      const names = { ...defaults, ...variables, messages, add_generation_prompt: addGenerationPrompt };
      return template(asWritten(names, variables), now);
    });
};

const guarded = <T>(label: string, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    const isDeep = error instanceof RangeError && error.message.includes("call stack");
    const why = isDeep ? "it goes too deep" : error instanceof Error ? error.message : String(error);
    throw new InputError(`${label}: ${oneLine(why)}`);
  }
};
