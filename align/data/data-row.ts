import { InputError } from "../../core/errors.js";
import type { JsonObject } from "../../models/files/json.js";
import { isObject, show } from "../../models/files/json.js";
import type { ChatMessage } from "../../models/text/chat-message.js";
import type { Turns } from "./turns.js";
import { alpacaPrompt, answer, conversation, text, turns } from "./turns.js";

/** Where a row stands ("file:line"), for messages about it. */
interface Located {
  readonly at: string;
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
}

/** Every shape a data row may have. */
export type Row = PairedRow | UnpairedRow | CompletionRow | DocumentRow;

/** A row out of a parsed JSON value; its forms are those of `streamRows`. Errors: InputError that begins with `at`. */
export const parseRow = (value: unknown, at: string): Row => {
  if (!isObject(value)) throw new InputError(`${at}: must be a JSON object, is ${show(value)}`);
  const row: JsonObject = Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
  if ("chosen" in row || "rejected" in row) return pairedRow(row, at);
  if ("instruction" in row) {
    return { kind: "completion", at, prompt: alpacaPrompt(row, at), completion: answer(text(row, "output", at)) };
  }
  if ("label" in row) return unpairedRow(row, at);
  if ("completion" in row || "prompt" in row) {
    return sameForm(
      { kind: "completion", at, prompt: turns(row, "prompt", at), completion: turns(row, "completion", at) },
      ["prompt", "completion"],
    );
  }
  if ("messages" in row || "conversations" in row) return { kind: "document", at, content: conversation(row, at) };
  if ("text" in row) return { kind: "document", at, content: text(row, "text", at) };
  throw new InputError(
    `${at}: has keys ${show(Object.keys(row))}; expected prompt/chosen/rejected, prompt/completion, messages, text, conversations or instruction/output`,
  );
};

const pairedRow = (row: JsonObject, at: string): PairedRow => {
  const [chosen, rejected] = [turns(row, "chosen", at), turns(row, "rejected", at)];
  if ("prompt" in row) {
    const prompt = turns(row, "prompt", at);
    return sameForm({ kind: "paired", at, prompt, chosen, rejected }, ["prompt", "chosen", "rejected"]);
  }
  if ("conversations" in row || "instruction" in row) {
    const prompt = "instruction" in row ? alpacaPrompt(row, at) : conversation(row, at);
    const asTurns = (side: Turns): Turns => (typeof side === "string" ? answer(side) : side);
    return { kind: "paired", at, prompt, chosen: asTurns(chosen), rejected: asTurns(rejected) };
  }
  return implicitPrompt(sameForm({ kind: "paired", at, prompt: chosen, chosen, rejected }, ["chosen", "rejected"]));
};

const unpairedRow = (row: JsonObject, at: string): UnpairedRow => {
  const { label } = row;
  if (typeof label !== "boolean") throw new InputError(`${at}: "label" must be true or false, is ${show(label)}`);
  if ("messages" in row || "conversations" in row) {
    const messages = conversation(row, at);
    if (messages.length < 2)
      throw new InputError(
        `${at}: a labelled conversation needs a prompt and an answer, has ${messages.length} message`,
      );
    return { kind: "unpaired", at, prompt: messages.slice(0, -1), completion: messages.slice(-1), label };
  }
  const [prompt, completion] = [turns(row, "prompt", at), turns(row, "completion", at)];
  return sameForm({ kind: "unpaired", at, prompt, completion, label }, ["prompt", "completion"]);
};

/** Checks that the named fields are all text or all conversations. */
const sameForm = <R extends Row>(row: R, keys: readonly (keyof R & string)[]): R => {
  const first = typeof row[keys[0]] === "string";
  const other = keys.find((key) => (typeof row[key] === "string") !== first);
  if (other === undefined) return row;
  const [a, b] = first ? ["text", "a conversation"] : ["a conversation", "text"];
  throw new InputError(`${row.at}: "${keys[0]}" is ${a} but "${other}" is ${b}; make all of them one or the other`);
};

/**
 * Splits off what chosen and rejected begin with: whole messages, or characters (a space before the difference goes to
 * the answers, since tokenizers put it there). If one is the beginning of the other, its last part stays an answer.
 */
const implicitPrompt = (row: PairedRow): PairedRow => {
  const { chosen, rejected, at } = row;
  if (typeof chosen === "string" && typeof rejected === "string") {
    const [a, b] = [[...chosen], [...rejected]];
    let shared = commonPrefix(a, b, (x, y) => x === y);
    if (shared > 0 && shared < Math.min(a.length, b.length) && a[shared - 1] === " ") shared--;
    else if (shared === Math.min(a.length, b.length)) shared = Math.max(0, shared - 1);
    const cut = a.slice(0, shared).join("").length;
    return { ...row, prompt: chosen.slice(0, cut), chosen: chosen.slice(cut), rejected: rejected.slice(cut) };
  }
  const [a, b] = [chosen as readonly ChatMessage[], rejected as readonly ChatMessage[]];
  const same = commonPrefix(a, b, (x, y) => x.role === y.role && x.content === y.content);
  const shared = same === Math.min(a.length, b.length) ? same - 1 : same;
  if (shared < 1)
    throw new InputError(
      `${at}: "chosen" and "rejected" share no first message, so there is no prompt; add a "prompt"`,
    );
  return { ...row, prompt: a.slice(0, shared), chosen: a.slice(shared), rejected: b.slice(shared) };
};

const commonPrefix = <T>(a: readonly T[], b: readonly T[], equal: (x: T, y: T) => boolean): number => {
  let n = 0;
  while (n < a.length && n < b.length && equal(a[n], b[n])) n++;
  return n;
};
