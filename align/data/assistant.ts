import { InputError } from "../../core/errors.js";
import type { ChatMessage } from "../../models/text/chat-message.js";
import type { Tokenizer } from "../../models/text/tokenizer.js";
import type { Span } from "./sequence.js";

/**
 * The tokens of a conversation that are the assistant's: those that hold a character which the chat template marks by
 * `{% generation %}`. `ids` are those of the whole conversation.
 * Errors: InputError for a template that marks nothing, or a conversation in which nothing is marked.
 * Source: return_assistant_tokens_mask of huggingface/transformers.
 */
export const assistantSpans = (
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>>,
  ids: readonly number[],
  tokenizer: Tokenizer,
): readonly Span[] => {
  const { text, spans } = tokenizer.renderSpans(messages, { variables });
  if (spans.length === 0)
    throw new InputError(
      tokenizer.templateNames("generation")
        ? "assistant_only_loss: the conversation has no turn of the assistant"
        : "assistant_only_loss needs a chat template with {% generation %} and {% endgeneration %} around what the assistant says, and this one has none; chat_template_path names another",
    );
  /** Tokens that lie before a character: of those that hold it too, none, or with `including` all. */
  const tokensTo = (at: number, including: boolean): number => {
    const before = tokenizer.encode(text.slice(0, at), { addSpecialTokens: false });
    const differs = before.findIndex((id, i) => id !== ids[i]);
    // Where a token reaches over the border, the beginning alone tokenizes otherwise from there on.
    return differs < 0 ? before.length : differs + (including ? 1 : 0);
  };
  return spans.map(([from, to]): Span => [tokensTo(from, false), tokensTo(to, true)]);
};
