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

const [OPENS, CLOSES] = [/\{[{%]/g, /[%}]\}/g];

/** What stands in a template's braces. */
const statements = (source: string): readonly string[] => {
  const found: string[] = [];
  for (let at = 0; ; ) {
    OPENS.lastIndex = at;
    const open = OPENS.exec(source);
    if (open === null) return found;
    CLOSES.lastIndex = OPENS.lastIndex;
    const close = CLOSES.exec(source);
    if (close === null) return found;
    at = CLOSES.lastIndex;
    found.push(source.slice(open.index, at));
  }
};

/** Whether the statements of a template (`{{ … }}`, `{% … %}`) hold a word: a field, a variable, or a role that it compares with. */
export const namedIn = (source: string): ((word: string) => boolean) => {
  const words = new Set(statements(source).flatMap((code) => code.match(/\w+/g) ?? []));
  return (word) => words.has(word);
};
