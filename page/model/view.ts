/** The second view: a visitor's model. */
import { byId, el } from "../ui/element.js";
import { percent } from "../ui/numbers.js";
import { allowed } from "./chosen.js";
import { entry, openCurve } from "./curve.js";
import { openForm } from "./form.js";
import type { About, Command, Place, Told } from "./messages.js";
import { chooseFolder, choosing, writesFolders } from "./picker.js";
import { openTalk } from "./talk.js";

const many = (n: number): string => n.toLocaleString("en").replaceAll(",", "\u2009");

const NEEDS_BASE = "Merging needs τ: the tuned model minus the base model.";
const KEEPS = "Kept in this browser: close the tab and open it again, and it goes on.";
const KEEPS_NOT = "Nothing is kept here: another tab has the view open, or the browser forbids it.";

/** Gives a file to whoever is at the screen. */
const handOut = (blob: Blob, name: string): void => {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const nameOf = (place: Place): string => (place.kind === "handle" ? place.handle.name : "the model");

/** Builds the view; `start` is where the lab's tuned model and pairs for it lie. The function hears what the worker tells. */
export const openModelView = (tell: (command: Command) => void, start: string | undefined): ((told: Told) => void) => {
  const status = byId("model-status");
  const say = (text: string, isProblem = false): void => {
    status.textContent = text;
    status.classList.toggle("problem", isProblem);
  };
  const note = byId("model-note");
  const refuse = (problem: string): void => say(problem, true);
  const [form, curve] = [openForm(), openCurve()];
  let [hasModel, isAligning, keeps] = [false, false, false];
  /** What was asked for and is not done. */
  let pending = 0;
  /** What waits for a click to go on. */
  let waiting: readonly Place[] = [];
  const ask = (command: Command): void => {
    pending++;
    isAligning = command.kind === "align";
    waiting = [];
    tell(command);
    show();
  };
  const talk = openTalk((command) => (command.kind === "stop" ? tell(command) : ask(command)));
  const show = (): void => {
    const isBusy = pending > 0;
    talk.setBusy(isBusy || !hasModel);
    for (const id of ["choose", "try", "choose-base"]) byId<HTMLButtonElement>(id).disabled = isBusy;
    for (const id of ["align-go", "save-zip", "save-folder"])
      byId<HTMLButtonElement>(id).disabled = isBusy || !hasModel;
    byId<HTMLButtonElement>("align-stop").disabled = !isAligning;
    const [go, clear] = [byId<HTMLButtonElement>("go-on"), byId<HTMLButtonElement>("clear")];
    go.hidden = waiting.length === 0;
    go.textContent = `Go on with ${waiting[0] === undefined ? "" : nameOf(waiting[0])}`;
    clear.hidden = !hasModel && waiting.length === 0;
    clear.disabled = isBusy;
    byId("model-keeps").textContent = !hasModel ? "" : keeps ? KEEPS : KEEPS_NOT;
  };
  const reset = (): void => {
    hasModel = false;
    waiting = [];
    talk.setAligned(false);
    talk.show([]);
    curve.begin([]);
    byId("about").replaceChildren();
    byId("base-about").textContent = NEEDS_BASE;
    byId("loading").hidden = true;
  };

  const load = (place: Place): void => ask({ kind: "load", role: "model", place });
  choosing(byId("choose"), byId<HTMLInputElement>("choose-files"), load, refuse);
  const loadBase = (place: Place): void => ask({ kind: "load", role: "base", place });
  choosing(byId("choose-base"), byId<HTMLInputElement>("base-files"), loadBase, refuse);
  byId("go-on").addEventListener("click", async () => {
    for (const place of waiting) if (!(await allowed(place))) return refuse(`${nameOf(place)} may not be read.`);
    ask({ kind: "restore" });
  });
  byId("clear").addEventListener("click", () => ask({ kind: "clear" }));
  byId("try").hidden = start === undefined;
  byId("try").addEventListener("click", async () => {
    load({ kind: "address", address: `${start}tuned/` });
    const pairs = await fetch(`${start}pairs.jsonl`);
    if (!pairs.ok) return refuse(`${pairs.url}: cannot be read (${pairs.status})`);
    form.setPairs(new File([await pairs.blob()], "pairs.jsonl"));
    byId<HTMLTextAreaElement>("text").value = "rev abcdef";
  });
  byId<HTMLFormElement>("align").addEventListener("submit", (event) => {
    event.preventDefault();
    const pairs = form.pairs();
    if (pairs === undefined) return refuse("Choose a file of pairs first.");
    curve.begin([]);
    ask({ kind: "align", pairs, alignment: form.alignment() });
    say("Reading the pairs …");
  });
  byId("align-stop").addEventListener("click", () => tell({ kind: "stop" }));
  byId("save-zip").addEventListener("click", () => ask({ kind: "save" }));
  byId("save-folder").hidden = !writesFolders();
  byId("save-folder").addEventListener("click", () => {
    void chooseFolder("readwrite", (to) => ask({ kind: "save", to }), refuse);
  });
  show();

  const loaded = (about: About): void => {
    hasModel = true;
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
  const hear: (told: Told) => void = (what) => {
    switch (what.kind) {
      case "device":
        keeps = what.keeps;
        if (status.classList.contains("problem")) return;
        return say(`No model yet. It will be computed by ${what.description}.`);
      case "restoring":
        pending++;
        return;
      case "waits":
        waiting = what.places;
        return say("It was left in the middle: go on with it, or choose another model.");
      case "loading": {
        const bar = byId<HTMLProgressElement>("loading");
        [bar.hidden, bar.value] = [what.share === 1, what.share];
        return say(`Loading: ${percent(what.share)}`);
      }
      case "loaded":
        byId("loading").hidden = true;
        if (what.role === "model") return loaded(what.about);
        byId("base-about").textContent = `τ is taken to ${what.about.name}.`;
        return say(`Ready, with τ: this model minus ${what.about.name}.`);
      case "turns":
        return talk.show(what.turns);
      case "piece":
        return talk.piece(what.text);
      case "said":
        return talk.said(what.end);
      case "resumes":
        isAligning = true;
        form.show(what.alignment, what.pairs);
        return curve.begin(what.margins);
      case "rows":
        return say(`Aligning on ${what.kept} examples of ${what.rows} rows …`);
      case "step":
        return curve.step(what, what.steps);
      case "aligned":
        talk.setAligned(true);
        return say(
          `Aligned, in ${what.steps} step${what.steps === 1 ? "" : "s"}: talk with it, and compare. Take it home when you like it.`,
        );
      case "unaligned":
        return talk.setAligned(false);
      case "saved":
        if (what.zip !== undefined) handOut(what.zip, what.name);
        return say(`Written: ${what.name}.`);
      case "unkept":
        note.textContent = `Not kept: ${what.message}`;
        return;
      case "cleared":
        reset();
        note.textContent = "";
        return say("Let go of: nothing of it is kept.");
      case "free":
        pending--;
        isAligning = false;
        talk.said("");
        return;
      case "ended":
        [pending, isAligning] = [0, false];
        reset();
        if (!what.lost) return refuse(what.message);
        note.textContent = `${what.message.split("\n")[0]}. It goes on from what is kept here.`;
        return;
      case "failed":
        byId("loading").hidden = true;
        return refuse(what.message);
    }
  };
  return (what) => {
    hear(what);
    show();
  };
};
