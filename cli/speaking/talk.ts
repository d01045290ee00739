import { InputError } from "../../core/errors.js";
import { suggestion } from "../../core/suggest.js";
import { oneLine, show } from "../../models/files/json.js";
import type { Conversation } from "../../models/index.js";
import { harmless } from "../../run/harmless.js";
import type { Lines } from "./lines.js";

/** Where a talk is heard: answers, and words about them. */
export interface Ear {
  readonly answer: (text: string) => void;
  readonly word: (line: string) => void;
}

interface Command {
  readonly about: string;
  /** Returns false where the talk ends. */
  readonly run: (talk: Conversation, rest: string, ear: Ear) => boolean;
}

/** What a line that begins with a stroke may ask for. */
const COMMANDS: Readonly<Record<string, Command>> = {
  reset: {
    about: "/reset          begin anew; the system's message stays",
    run: (talk, _, { word }) => {
      talk.reset();
      word("(the conversation begins anew)");
      return true;
    },
  },
  system: {
    about: "/system [TEXT]  another system message from here on; without TEXT none",
    run: (talk, rest, { word }) => {
      talk.setSystem(rest === "" ? undefined : rest);
      word(rest === "" ? "(no system message from here on)" : "(another system message from here on)");
      return true;
    },
  },
  help: {
    about: "/help           this list",
    run: (_talk, _, { word }) => {
      for (const { about } of Object.values(COMMANDS)) word(about);
      word("//TEXT          says /TEXT to the model");
      word("Ctrl-C stops an answer, Ctrl-D leaves");
      return true;
    },
  },
  exit: { about: "/exit           leave; Ctrl-D, too", run: () => false },
};

/** Runs a command. Errors: InputError for one that there is not. */
const runCommand = (line: string, talk: Conversation, ear: Ear): boolean => {
  const [, name, rest] = /^\/(\S*)\s*(.*)$/s.exec(line) as unknown as [string, string, string];
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) return command.run(talk, rest.trim(), ear);
  const meant = suggestion(name, Object.keys(COMMANDS));
  const help = meant === undefined ? "/help lists what there is" : `did you mean /${meant}?`;
  throw new InputError(`there is no command ${show(`/${name}`)}; ${help} (a line that begins with // says /)`);
};

/** Why an answer ended where a person would wonder. */
const WHY: Readonly<Record<string, string>> = {
  length: "(cut off after max-new-tokens)",
  context: "(cut off: the model's context is full; /reset begins anew)",
};

const answer = async (text: string, talk: Conversation, lines: Lines, ear: Ear): Promise<void> => {
  lines.answering(true);
  let end: string | undefined;
  try {
    for await (const token of talk.say(text)) {
      ear.answer(harmless(token.text));
      end = token.end;
      if (lines.isStopped()) break;
    }
  } finally {
    if (lines.isStopped() && end === undefined) ear.word("\n(stopped)");
    lines.answering(false);
  }
  ear.answer("\n");
  if (end !== undefined && end in WHY) ear.word(WHY[end]);
};

/**
 * A talk, line by line, to the end of the input or /exit. Empty lines are passed over. At a terminal a fault is told, and the
 * talk goes on; elsewhere it ends with it. Errors: InputError.
 */
export const converse = async (talk: Conversation, lines: Lines, ear: Ear): Promise<void> => {
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
    const said = line.trim();
    if (said === "") continue;
    try {
      const isCommand = said.startsWith("/") && !said.startsWith("//");
      if (!isCommand) await answer(said.startsWith("//") ? said.slice(1) : line, talk, lines, ear);
      else if (!runCommand(said, talk, ear)) return;
    } catch (error) {
      if (!lines.isTerminal || !(error instanceof InputError)) throw error;
      ear.word(`taugrad: ${oneLine(error.message)}`);
    }
  }
};
