import { conversation } from "../../models/index.js";
import { trainingTokenizer } from "../../run/parts/chat-template.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { standardLines } from "../speaking/lines.js";
import { samplingOf } from "../speaking/sampling.js";
import { withModel } from "../speaking/speaker.js";
import { converse } from "../speaking/talk.js";

/** Tokens an answer, where nobody says. */
const MOST = 1024;

/** `taugrad chat`: what is typed is said to the model, its answers stream. */
export const chatCommand = async (values: Values<"chat">, out: Output): Promise<void> => {
  const { model: folder, chat_template_path, system, stop = [], template_kwargs: variables } = values;
  const { tokenizer } = trainingTokenizer({ model_name_or_path: folder, chat_template_path }, out);
  const options = { ...samplingOf(values, MOST, out), stop, system, ...(variables && { variables }) };
  await withModel(values, out, async (model, go) => {
    const talk = conversation(go, { ...model, tokenizer }, options);
    const lines = standardLines();
    const word = (line: string): void => out.note(line);
    out.start();
    if (lines.isTerminal) word("/help lists commands; Ctrl-C stops an answer, Ctrl-D leaves");
    try {
      await converse(talk, lines, { answer: (text) => process.stdout.write(text), word });
    } finally {
      lines.close();
      talk.free();
    }
  });
};
