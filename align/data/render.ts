import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import { asWritten } from "../../models/files/written-json.js";
import type { ChatMessage } from "../../models/text/chat-message.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import type { Variables } from "./layouts/template-variables.js";

/** Roles that any chat template is trusted with; it must name others itself. */
const ROLES: readonly string[] = ["system", "user", "assistant", "tool"];

/**
 * Messages as a template can take them: parts of text as one text, where it does not know parts.
 * Errors: InputError for a role that the template does not know.
 */
export const fitting = (messages: readonly ChatMessage[], tokenizer: Tokenizer): readonly ChatMessage[] => {
  const unknown = messages.find(({ role }) => !ROLES.includes(role) && !tokenizer.templateNames(role));
  if (unknown !== undefined && tokenizer.hasChatTemplate)
    throw new InputError(
      `has a message of role ${show(unknown.role)}, which the chat template does not name; known are ${ROLES.join(", ")}, and ShareGPT's human, gpt, function_call, observation`,
    );
  return tokenizer.templateNames("text") ? messages : messages.map(withOneText);
};

const withOneText = (message: ChatMessage): ChatMessage =>
  Array.isArray(message.content)
    ? asWritten(
        { ...message, content: message.content.map(({ text }: { readonly text?: unknown }) => text).join("") },
        message,
      )
    : message;

/** By name, whether what rows hold beside roles and contents ever changed what a template made of them. */
export type FieldsRead = Record<string, boolean>;

const isEmpty = (value: unknown): boolean =>
  value == null || value === "" || (Array.isArray(value) && value.length === 0);

const without = <T extends object>(object: T, name: string): T =>
  asWritten(Object.fromEntries(Object.entries(object).filter(([key]) => key !== name)) as T, object);

/** Tries each field that has not been seen to matter: is the text another one without it? */
export const noteFields = (
  messages: readonly ChatMessage[],
  variables: Variables,
  { renderChat }: Tokenizer,
  read: FieldsRead,
): void => {
  const fields = [...messages.map(({ role: _, content: __, ...rest }) => rest), variables];
  const names = new Set(
    fields.flatMap((object) => Object.keys(object).filter((name) => !isEmpty((object as Variables)[name]))),
  );
  const open = [...names].filter((name) => read[name] !== true);
  if (open.length === 0) return;
  const whole = renderChat(messages, { variables });
  for (const name of open) read[name] = whole !== rendered(messages, variables, name, renderChat);
};

/** What is made of messages and variables without those of a name; undefined if the template refuses them. */
const rendered = (
  messages: readonly ChatMessage[],
  variables: Variables,
  name: string,
  renderChat: Tokenizer["renderChat"],
): string | undefined => {
  try {
    return renderChat(
      messages.map((message) => without(message, name)),
      { variables: without(variables, name) },
    );
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
};
