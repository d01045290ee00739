/** The second view: a visitor's model. */
import { byId, el } from "../ui/element.js";
import { drawLine } from "../ui/line.js";
import { milliseconds, percent } from "../ui/numbers.js";
import { openForm } from "./form.js";
import type { About, Command, Place, Told } from "./messages.js";
import { choosing, chosenFolder, writesFolders } from "./picker.js";
import { openTalk } from "./talk.js";

const entry = (term: string, value: string): HTMLElement => el("div", {}, el("dt", {}, term), el("dd", {}, value));
const many = (n: number): string => n.toLocaleString("en").replaceAll(",", "\u2009");

const NEEDS_BASE = "Merging needs τ: the tuned model minus the base model.";

/** Gives a file to whoever is at the screen. */
const handOut = (blob: Blob, name: string): void => {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

/** Builds the view; `start` is where the lab's tuned model and pairs for it lie. The function hears what the worker tells. */
export const openModelView = (tell: (command: Command) => void, start: string | undefined): ((told: Told) => void) => {
  const status = byId("model-status");
  const say = (text: string, isProblem = false): void => {
    status.textContent = text;
    status.classList.toggle("problem", isProblem);
  };
  const form = openForm();
  let [hasModel, isBusy, isAligning]: [boolean, boolean, boolean] = [false, false, false];
  let margins: number[] = [];
  const told = (command: Command): void => {
    if (command.kind === "say" || command.kind === "align" || command.kind === "save" || command.kind === "load") {
      isBusy = true;
      isAligning = command.kind === "align";
    }
    tell(command);
    show();
  };
  const talk = openTalk(told);
  const show = (): void => {
    talk.setBusy(isBusy || !hasModel);
    for (const id of ["choose", "try", "choose-base"]) byId<HTMLButtonElement>(id).disabled = isBusy;
    for (const id of ["align-go", "save-zip", "save-folder"])
      byId<HTMLButtonElement>(id).disabled = isBusy || !hasModel;
    byId<HTMLButtonElement>("align-stop").disabled = !isAligning;
  };
  const free = (): void => {
    talk.said("");
    [isBusy, isAligning] = [false, false];
    show();
  };

  const load = (place: Place): void => {
    told({ kind: "load", role: "model", place });
  };
  choosing(byId("choose"), byId<HTMLInputElement>("choose-files"), load);
  choosing(byId("choose-base"), byId<HTMLInputElement>("base-files"), (place) =>
    told({ kind: "load", role: "base", place }),
  );
  byId("try").hidden = start === undefined;
  byId("try").addEventListener("click", async () => {
    load({ kind: "address", address: `${start}tuned/` });
    const pairs = await fetch(`${start}pairs.jsonl`);
    const chosen = new DataTransfer();
    chosen.items.add(new File([await pairs.blob()], "pairs.jsonl"));
    byId<HTMLInputElement>("pairs").files = chosen.files;
    byId<HTMLTextAreaElement>("text").value = "rev abcdef";
  });
  byId<HTMLFormElement>("align").addEventListener("submit", (event) => {
    event.preventDefault();
    const pairs = form.pairs();
    if (pairs === undefined) return say("Choose a file of pairs first.", true);
    margins = [];
    told({ kind: "align", pairs, alignment: form.alignment() });
    say("Reading the pairs …");
  });
  byId("align-stop").addEventListener("click", () => tell({ kind: "stop" }));
  byId("save-zip").addEventListener("click", () => told({ kind: "save" }));
  byId("save-folder").hidden = !writesFolders();
  byId("save-folder").addEventListener("click", async () => {
    const to = await chosenFolder("readwrite");
    if (to !== undefined) told({ kind: "save", to });
  });
  show();

  const loaded = (about: About): void => {
    hasModel = true;
    talk.setAligned(false);
    byId("about").replaceChildren(
      ...[entry("name", about.name), entry("family", about.family), entry("weights", many(about.parameters))],
      ...[entry("context", `${about.context} tokens`)],
    );
    say(
      about.chats
        ? "Ready: say something, or choose pairs to align it on."
        : "Ready. It has no chat template: it goes on with what you write.",
    );
  };
  const stepped = ({ step, steps, loss, margin, accuracy, milliseconds: time }: Extract<Told, { kind: "step" }>) => {
    margins.push(margin);
    const progress = byId<HTMLProgressElement>("align-progress");
    [progress.hidden, progress.value] = [false, step / steps];
    const line = document.querySelector("#margins") as SVGSVGElement;
    line.removeAttribute("hidden");
    drawLine(line, margins, steps);
    byId("align-numbers").replaceChildren(
      ...[entry("step", `${step} of ${steps}`), entry("a step", milliseconds(time)), entry("loss", loss.toFixed(3))],
      ...[entry("margin", margin.toFixed(3)), entry("ranked right", percent(accuracy))],
    );
  };
  return (what) => {
    switch (what.kind) {
      case "device":
        if (!status.classList.contains("problem")) say(`No model yet. It will be computed by ${what.description}.`);
        return;
      case "loading": {
        const bar = byId<HTMLProgressElement>("loading");
        [bar.hidden, bar.value] = [what.share === 1, what.share];
        return say(`Loading: ${percent(what.share)}`);
      }
      case "loaded":
        byId("loading").hidden = true;
        if (what.role === "model") loaded(what.about);
        else {
          byId("base-about").textContent = `τ is taken to ${what.about.name}.`;
          say(`Ready, with τ: this model minus ${what.about.name}.`);
        }
        return free();
      case "piece":
        return talk.piece(what.text);
      case "said":
        talk.said(what.end);
        return free();
      case "pairs":
        return say(`Aligning on ${what.kept} of ${what.rows} pairs …`);
      case "step":
        return stepped(what);
      case "aligned":
        talk.setAligned(true);
        say(`Aligned, in ${what.steps} steps: talk with it, and compare. It is not saved yet.`);
        return free();
      case "saved":
        if (what.zip !== undefined) handOut(what.zip, what.name);
        say(`Written: ${what.name}.`);
        return free();
      case "ended":
        hasModel = false;
        talk.setAligned(false);
        byId("about").replaceChildren();
        byId("base-about").textContent = NEEDS_BASE;
        say(what.message, true);
        byId("loading").hidden = true;
        return free();
      case "failed":
        say(what.message, true);
        byId("loading").hidden = true;
        return free();
    }
  };
};
