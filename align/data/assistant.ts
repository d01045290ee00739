import { InputError } from "../../core/errors.js";
import type { ChatMessage } from "../../models/text/chat-message.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import type { Span } from "./sequence.js";

/**
 * The stretches of a conversation's tokens that are the assistant's: those that the chat template marks by
 * `{% generation %}`. Errors: InputError for a template that marks nothing, or a conversation in which nothing is marked.
 */
export const assistantSpans = (
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>>,
  tokenizer: Tokenizer,
): readonly Span[] => {
  const { isAssistant } = tokenizer.encodeSpans(messages, { variables });
  const spans: [from: number, to: number][] = [];
  isAssistant.forEach((marked, t) => {
    if (!marked) return;
    if (t > 0 && isAssistant[t - 1]) spans[spans.length - 1][1] = t + 1;
    else spans.push([t, t + 1]);
  });
  if (spans.length === 0)
    throw new InputError(
      tokenizer.templateNames("generation")
        ? "assistant_only_loss: the conversation has no turn of the assistant"
        : "assistant_only_loss needs a chat template with {% generation %} and {% endgeneration %} around what the assistant says, and this one has none; chat_template_path names another",
    );
  return spans;
};
