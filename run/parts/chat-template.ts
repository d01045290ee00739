import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { folderExists, readText } from "../../models/files/json.js";
import { loadTokenizer, type Tokenizer } from "../../models/index.js";
import { heard } from "../../models/text/tokenizer.js";
import type { TrainingValues } from "../options/takes.js";
import type { Voice } from "../voice.js";

/** For models that never had a conversation: names, colons, and the end token after each answer. */
const PLAIN = [
  "{{ bos_token }}{% for message in messages %}",
  "{% if message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token + '\\n' }}",
  "{% elif message['role'] == 'user' %}{{ 'Human: ' + message['content'] + '\\n' }}",
  "{% else %}{{ message['content'] + '\\n' }}{% endif %}",
  "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
].join("");

/** A tokenizer to train with. */
export interface TrainingTokenizer {
  readonly tokenizer: Tokenizer;
  /** The template to save with the model, once rows were read: undefined where it is the folder's own, or was not used. */
  readonly chatTemplate: () => string | undefined;
}

/** The model's tokenizer; with the template of `chat_template` or `chat_template_path`, or a plain one where there is none at all. */
export const trainingTokenizer = (
  values: Pick<TrainingValues, "model_name_or_path" | "chat_template_path"> &
    Partial<Pick<TrainingValues, "chat_template">>,
  out: Voice,
): TrainingTokenizer => {
  const { model_name_or_path: folder, chat_template_path: given, chat_template: text } = values;
  if (text !== undefined && given !== undefined)
    throw new InputError("chat_template and chat_template_path both name the chat template; leave one out");
  if (text !== undefined)
    return {
      tokenizer: loadTokenizer(folder, { chatTemplate: { text, path: "chat_template" } }),
      chatTemplate: () => text,
    };
  if (given !== undefined) {
    const path = folderExists(given) ? join(given, "chat_template.jinja") : given;
    const text = readText(path);
    return { tokenizer: loadTokenizer(folder, { chatTemplate: { text, path } }), chatTemplate: () => text };
  }
  const own = loadTokenizer(folder);
  if (own.hasChatTemplate) return { tokenizer: own, chatTemplate: () => undefined };
  const plain = loadTokenizer(folder, { chatTemplate: { text: PLAIN, path: "the plain chat template" } });
  let isUsed = false;
  const tokenizer = heard(plain, () => {
    if (!isUsed)
      out.note(
        `note: ${folder} has no chat template; conversations become "Human: …", "Assistant: …" (chat_template_path names another)`,
      );
    isUsed = true;
  });
  return { tokenizer, chatTemplate: () => (isUsed ? PLAIN : undefined) };
};
