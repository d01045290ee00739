import { InputError } from "../../../core/errors.js";
import { show } from "../../../models/files/json.js";
import { type Column, type Columns, columnsOf } from "./columns.js";
import { isShareGpt } from "./messages.js";
import { templateVariables, type Variables } from "./template-variables.js";
import * as read from "./turns.js";
import { asTurns, beginsWith, isWhole, sharedPrompt, type Turns, turns, withSystem } from "./turns.js";

/** Where a row stands ("file:line"), for messages about it, and what it holds beside its turns. */
interface Located {
  readonly at: string;
  /** What a conversation tells its chat template beside the messages: `tools`, `documents`, `chat_template_kwargs`. */
  readonly variables?: Variables;
  /** Columns that nothing is made of. */
  readonly unused?: readonly string[];
}

/** A preference: the same prompt, answered better and worse. All three are text, or all three conversations. */
export interface PairedRow extends Located {
  readonly kind: "paired";
  readonly prompt: Turns;
  readonly chosen: Turns;
  readonly rejected: Turns;
}

/** An answer that is wanted (`label` true) or not; KTO's rows. */
export interface UnpairedRow extends Located {
  readonly kind: "unpaired";
  readonly prompt: Turns;
  readonly completion: Turns;
  readonly label: boolean;
  /** True where the row was one conversation, of which sft learns all. */
  readonly whole?: true;
}

/** An instruction with its answer; the loss is on the answer. */
export interface CompletionRow extends Located {
  readonly kind: "completion";
  readonly prompt: Turns;
  readonly completion: Turns;
}

/** A whole conversation or text; the loss is on all of it. */
export interface DocumentRow extends Located {
  readonly kind: "document";
  readonly content: Turns;
  /** True where it is labelled as what must not be learned. */
  readonly unwanted?: true;
}

/** Every shape a data row may have. */
export type Row = PairedRow | UnpairedRow | CompletionRow | DocumentRow;

type Read = (row: Columns, at: string) => Row;

/** What a row is, by the columns that it has: of these the first that all are there, or any, decides. */
interface Layout {
  readonly by: "any" | "all";
  readonly columns: readonly Column[];
  readonly read: Read;
}

/** A row out of a parsed JSON value; its forms are those of `streamRows`. Errors: InputError that begins with `at`. */
export const parseRow = (value: unknown, at: string): Row => {
  const columns = columnsOf(value, at);
  const has = (column: Column): boolean => columns.find(column) !== undefined;
  const layout = LAYOUTS.find(({ by, columns: own }) => (by === "any" ? own.some(has) : own.every(has)));
  if (layout === undefined)
    throw new InputError(
      `${at}: has keys ${show(columns.unused())}; expected prompt/chosen/rejected, prompt/completion, messages, text, conversations or instruction/output`,
    );
  const flat = isShareGpt(columns.peek("conversation")) || (!has("conversation") && has("question"));
  const row = layout.read(columns, at);
  const isChat = typeof (row.kind === "document" ? row.content : row.prompt) !== "string";
  const variables = isChat ? templateVariables(columns, flat, at) : undefined;
  const unused = columns.unused();
  return { ...row, ...(variables && { variables }), ...(unused.length > 0 && { unused }) };
};

const pairedRow: Read = (row, at) => {
  const [chosen, rejected] = [turns(row, "chosen", at), turns(row, "rejected", at)];
  if ((typeof chosen === "string") !== (typeof rejected === "string"))
    throw new InputError(`${at}: one of "chosen" and "rejected" is text and the other a conversation; make both one`);
  const made = (prompt: Turns, ...answers: readonly [Turns, Turns]): Row => {
    const [asked, better, worse] = together(row, prompt, answers, at);
    return { kind: "paired", at, prompt: asked, chosen: better, rejected: worse };
  };
  if (isWhole(chosen) && isWhole(rejected)) {
    const given = row.peek("prompt");
    if (given === undefined || typeof given === "string") {
      const shared = sharedPrompt(chosen, rejected, at);
      // Its text is told as unused where the conversations do not hold it.
      if (asTurns(shared[0], "user").some(({ content }) => content === given)) row.take("prompt");
      return made(...shared);
    }
    const prompt = asTurns(turns(row, "prompt", at), "user");
    const repeated = beginsWith(chosen, prompt) && beginsWith(rejected, prompt) ? prompt.length : 0;
    return made(prompt, chosen.slice(repeated), rejected.slice(repeated));
  }
  const prompt = promptOf(row, at);
  return prompt === undefined ? made(...sharedPrompt(chosen, rejected, at)) : made(prompt, chosen, rejected);
};

/** What stands before the answers, by its own column, as a question, or as a conversation. */
const promptOf = (row: Columns, at: string): Turns | undefined => {
  if (row.find("prompt") !== undefined) return turns(row, "prompt", at);
  if (row.find("question") !== undefined) return read.question(row, at);
  return row.find("conversation") === undefined ? undefined : read.conversation(row, at);
};

/** A prompt and answers in one form: all text, or all turns if one of them is, or if there is a system prompt. */
const together = <A extends readonly Turns[]>(
  row: Columns,
  prompt: Turns,
  answers: A,
  at: string,
): readonly [Turns, ...A] => {
  const asText = [prompt, ...answers].every((said) => typeof said === "string");
  if (asText && row.find("system") === undefined) return [prompt, ...answers];
  if (prompt === "") throw new InputError(`${at}: has a system prompt, but no prompt to stand before; add a "prompt"`);
  const asked = withSystem(row, asTurns(prompt, "user"), at);
  return [asked, ...answers.map((said) => asTurns(said, "assistant"))] as unknown as readonly [Turns, ...A];
};

const completionRow: Read = (row, at) => {
  const [prompt, completion] = [turns(row, "prompt", at), turns(row, "completion", at)];
  const repeated =
    isWhole(completion) && typeof prompt !== "string" && beginsWith(completion, prompt) ? prompt.length : 0;
  const rest = repeated > 0 ? completion.slice(repeated) : completion;
  const [asked, answer] = together(row, prompt, [rest] as const, at);
  return labelled(row, { kind: "completion", at, prompt: asked, completion: answer });
};

const answeredRow: Read = (row, at) =>
  labelled(row, { kind: "completion", at, prompt: read.question(row, at), completion: read.reply(row, at) });

const conversationRow: Read = (row, at) => labelled(row, { kind: "document", at, content: read.conversation(row, at) });

/** Classes that texts are labelled with are none of KTO's labels, unless they are true and false. */
const textRow: Read = (row, at) => {
  const content = read.document(row, at);
  const isLabelled = typeof row.peek("label") === "boolean";
  const unwanted = isLabelled && row.take("label").value === false;
  return { kind: "document", at, content, ...(unwanted && { unwanted }) };
};

/** A row as a labelled answer, if it has a label. */
const labelled = (columns: Columns, row: CompletionRow | DocumentRow): Row => {
  if (columns.find("label") === undefined) return row;
  const { name, value } = columns.take("label");
  const { at } = row;
  if (typeof value !== "boolean" && value !== 0 && value !== 1)
    throw new InputError(`${at}: "${name}" must be true or false, is ${show(value)}`);
  const label = Boolean(value);
  if (row.kind === "completion") return { ...row, kind: "unpaired", label };
  const messages = asTurns(row.content, "user");
  if (messages.length < 2 || messages.at(-1)?.role !== "assistant")
    throw new InputError(
      `${at}: a labelled conversation needs a prompt and an answer, has ${messages.length} message${messages.length === 1 ? "" : "s"}, the last one of ${show(messages.at(-1)?.role)}`,
    );
  const [prompt, completion] = [messages.slice(0, -1), messages.slice(-1)];
  return { kind: "unpaired", at, prompt, completion, label, whole: true };
};

const LAYOUTS: readonly Layout[] = [
  { by: "any", columns: ["chosen", "rejected"], read: pairedRow },
  { by: "any", columns: ["completion"], read: completionRow },
  { by: "any", columns: ["conversation"], read: conversationRow },
  { by: "all", columns: ["question", "answer"], read: answeredRow },
  { by: "any", columns: ["prompt"], read: completionRow },
  { by: "any", columns: ["text"], read: textRow },
  { by: "any", columns: ["question"], read: answeredRow },
];
