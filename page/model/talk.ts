/** The conversation's part of the view. */
import { byId, el } from "../ui/element.js";
import type { Command, Turn, Version } from "./messages.js";

/** Why an answer ended where a person would wonder. */
const WHY: Readonly<Record<string, string>> = {
  length: "cut off: an answer has at most 256 tokens",
  context: "cut off: the model's context is full; begin anew",
  stopped: "stopped",
};

export interface Talk {
  readonly piece: (text: string) => void;
  readonly said: (end: string) => void;
  /** Shows these turns, and no others. */
  readonly show: (turns: readonly Turn[]) => void;
  readonly setAligned: (isAligned: boolean) => void;
  readonly setBusy: (isBusy: boolean) => void;
}

export const openTalk = (tell: (command: Command) => void): Talk => {
  const said = byId("said");
  const text = byId<HTMLTextAreaElement>("text");
  const versions = [...document.querySelectorAll<HTMLInputElement>('[name="version"]')];
  const version = (): Version => (versions.find(({ checked }) => checked)?.value ?? "before") as Version;
  let answer: HTMLElement | undefined;
  const bubble = (who: string, what: string, ...classes: string[]): HTMLElement => {
    const body = el("span", { class: "text" }, what);
    said.append(el("p", { class: ["turn", ...classes].join(" ") }, el("b", {}, who), body));
    said.scrollTop = said.scrollHeight;
    return body;
  };
  const begin = (what: string, by: Version): void => {
    bubble("you", what, "you");
    answer = bubble(by === "after" ? "aligned" : "model", "", by);
  };
  const end = (why: string): void => {
    if (why in WHY) answer?.append(el("small", {}, ` (${WHY[why]})`));
    answer = undefined;
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    const what = text.value.trim();
    if (what === "" || byId<HTMLButtonElement>("say").disabled) return;
    begin(what, version());
    text.value = "";
    tell({ kind: "say", text: what, version: version() });
  };
  byId<HTMLFormElement>("talk").addEventListener("submit", submit);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  });
  byId("say-stop").addEventListener("click", () => tell({ kind: "stop" }));
  byId("forget").addEventListener("click", () => tell({ kind: "forget" }));
  return {
    piece: (piece) => {
      answer?.append(piece);
      said.scrollTop = said.scrollHeight;
    },
    said: end,
    show: (turns) => {
      said.replaceChildren();
      for (const turn of turns) {
        begin(turn.said, turn.version);
        answer?.append(turn.answer);
        end(turn.end);
      }
    },
    setAligned: (isAligned) => {
      for (const one of versions) {
        if (one.value === "after") one.disabled = !isAligned;
        one.checked = one.value === (isAligned ? "after" : "before");
      }
    },
    setBusy: (isBusy) => {
      byId<HTMLButtonElement>("say").disabled = isBusy;
      byId<HTMLButtonElement>("forget").disabled = isBusy;
      byId<HTMLButtonElement>("say-stop").disabled = answer === undefined;
    },
  };
};
