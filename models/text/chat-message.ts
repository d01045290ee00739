/** A part of what a message says. Only text is understood: {type: "text", text}. */
export interface ContentPart {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** One turn of a conversation, whole: a template may read any of its fields (`tool_calls`, `reasoning_content`, `name` …). */
export interface ChatMessage {
  readonly role: string;
  /** Null or absent where a message says nothing itself, as beside `tool_calls`. */
  readonly content?: string | readonly ContentPart[] | null;
  readonly [field: string]: unknown;
}

/** Whether the statements of a template (`{{ … }}`, `{% … %}`) hold a word: a field, a variable, or a role that it compares with. */
export const namedIn = (source: string): ((word: string) => boolean) => {
  const words = new Set((source.match(/\{[{%][\s\S]*?[%}]\}/g) ?? []).flatMap((code) => code.match(/\w+/g) ?? []));
  return (word) => words.has(word);
};
