import { type Device, DeviceLostError, dispose, InputError, OutOfMemoryError } from "../../core/index.js";
import {
  type Folder,
  folderIn,
  folderOf,
  loadModel,
  loadTokenizer,
  type Model,
  type Params,
  saveModel,
  type Tokenizer,
} from "../../models/index.js";
import type { Inbox } from "../inbox.js";
import { type Aligned, align, type Keeping, prepared, type Watch } from "./align.js";
import { mayRead } from "./chosen.js";
import { fitted } from "./fits.js";
import type { Keep, Lesson } from "./keep.js";
import { dropLesson, keepingOf } from "./lessons.js";
import type { About, Command, Margin, Place, Role, Told, Version } from "./messages.js";
import { digestOf, folderOfPlace } from "./places.js";
import { openTalks, type Talks } from "./talks.js";
import { zipped } from "./zip.js";

/** A model in memory, and where it comes from. */
interface Loaded {
  readonly folder: Folder;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly digest: string;
}

/** What a view's worker works with. */
export interface Bench {
  readonly device: Device;
  /** Absent where the browser keeps nothing. */
  readonly keep: Keep | undefined;
  readonly inbox: Inbox<Command>;
  readonly tell: (told: Told) => void;
  /** Is what was kept gone on with however it ended? */
  readonly again: boolean;
}

const aboutOf = ({ folder, model: { config, params }, tokenizer }: Loaded): About => ({
  name: folder.path.replace(/\/$/, "").split("/").at(-1) ?? folder.path,
  family: String(config.raw.model_type),
  parameters: Object.values(params).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
  context: config.maxPositions,
  chats: tokenizer.hasChatTemplate,
});

/** Loads, talks, aligns and saves as it is told, for as long as the view is open; first it goes on with what was kept. */
export const workModel = async ({ device, keep, inbox, tell, again }: Bench): Promise<never> => {
  const models: Partial<Record<Role, Loaded>> = {};
  let aligned: Aligned | undefined;
  let talks: Talks | undefined;
  /** What came while something else was going on. */
  const later: Command[] = [];
  const isStopped = async (): Promise<boolean> => {
    for (let next = await inbox.look(); next !== undefined; next = await inbox.look())
      if (next.kind === "stop") return true;
      else later.push(next);
    return false;
  };
  const unkept = (message: string): void => tell({ kind: "unkept", message });
  const put = async (entries: Parameters<Keep["put"]>[0]): Promise<void> => {
    await keep?.put(entries).catch((error: Error) => unkept(`${error.name}: ${error.message}`));
  };

  const loaded = (): Loaded => {
    if (models.model === undefined) throw new InputError("choose a model first");
    return models.model;
  };
  const paramsOf = (version: Version): Params => {
    if (version === "before") return loaded().model.params;
    if (aligned === undefined) throw new InputError("nothing is aligned yet");
    return aligned.params;
  };
  const setTurns = async (): Promise<void> => {
    const turns = talks?.turns() ?? [];
    tell({ kind: "turns", turns });
    await put({ turns });
  };
  const dropAligned = async (): Promise<void> => {
    if (aligned === undefined) return;
    dispose(aligned.fresh);
    aligned = undefined;
    talks?.drop("after");
    tell({ kind: "unaligned" });
    await setTurns();
  };

  const load = async (role: Role, place: Place): Promise<Loaded> => {
    const folder = folderOfPlace(place);
    const onProgress = (done: number, total: number): void => tell({ kind: "loading", role, share: done / total });
    tell({ kind: "loading", role, share: 0 });
    const [tokenizer, digest] = [await loadTokenizer(folder), await digestOf(folder)];
    const next = { folder, tokenizer, digest, model: await loadModel(folder, device, { onProgress }) };
    if (role === "model") {
      await dropAligned();
      talks?.free();
      talks = openTalks(next.model, tokenizer, device);
    }
    const before = models[role];
    models[role] = next;
    if (before !== undefined) dispose(before.model.params);
    tell({ kind: "loaded", role, about: aboutOf(next) });
    await put({ [role]: { place, digest } });
    return next;
  };

  const teach = async (lesson: Lesson, isNew: boolean): Promise<void> => {
    const { model, tokenizer } = loaded();
    const { pairs, alignment } = lesson;
    let margins: Margin[] = [];
    let keeping: Keeping | undefined;
    if (!isNew && keep !== undefined) {
      const left = await keepingOf(keep, lesson, () => margins, unkept);
      margins = [...left.margins];
      keeping = left.keeping;
      tell({ kind: "resumes", pairs, alignment, margins });
    }
    const read = await prepared({ model, tokenizer, base: models.base?.model, pairs, alignment });
    const { kept, rows } = read.taught;
    tell({ kind: "rows", kept, rows });
    const ready = await fitted(read, device);
    await dropAligned();
    if (isNew && keep !== undefined) {
      await dropLesson(keep);
      await put({ lesson, risk: true });
      ({ keeping } = await keepingOf(keep, lesson, () => margins, unkept));
    }
    let [begun, done] = [performance.now(), keeping?.last?.step ?? 0];
    const watch: Watch = {
      onStep: ({ step, record }) => {
        done = step;
        if (record === undefined) return;
        const milliseconds = performance.now() - begun;
        begun = performance.now();
        const { "rewards/margins": margin, "rewards/accuracies": accuracy, loss } = record;
        margins.push(margin ?? null);
        tell({ kind: "step", step, steps: alignment.steps, loss, margin, accuracy, milliseconds });
      },
      isStopped,
      ...(keeping && { keeping }),
    };
    try {
      aligned = await align(ready, device, watch);
    } catch (error) {
      if (keep !== undefined && !(error instanceof DeviceLostError)) await dropLesson(keep); // it would end so again
      throw error;
    }
    tell({ kind: "aligned", steps: done });
  };

  /** What was begun on these models before goes on; else it is let go of. */
  const goOn = async (model: Loaded): Promise<void> => {
    if (keep === undefined) return;
    const lesson = await keep.get("lesson");
    if (lesson?.model !== model.digest) return dropLesson(keep);
    if (lesson.base !== undefined && models.base?.digest !== lesson.base) {
      const base = await keep.get("base");
      if (base === undefined || (await load("base", base.place)).digest !== lesson.base)
        throw new InputError("the model that τ is taken to is not as it was: choose it, and align again");
    }
    await teach(lesson, false);
  };
  const restore = async (isAllowed: boolean): Promise<void> => {
    const [model, base, turns, risk] = await Promise.all([
      ...([keep?.get("model"), keep?.get("base")] as const),
      ...([keep?.get("turns"), keep?.get("risk")] as const),
    ]);
    if (model === undefined) return;
    const places = [model, ...(base === undefined ? [] : [base])].map(({ place }) => place);
    const readable = await Promise.all(places.map(mayRead));
    if ((risk === true && !isAllowed) || readable.includes(false)) return tell({ kind: "waits", places });
    await put({ risk: true });
    const next = await load("model", model.place);
    if (next.digest === model.digest) {
      talks?.set(turns ?? []);
      await setTurns();
    }
    if (base !== undefined) await load("base", base.place);
    await goOn(next);
  };

  const save = async (to: FileSystemDirectoryHandle | undefined): Promise<void> => {
    const { folder: from, model } = loaded();
    const name = `${aboutOf(loaded()).name}${aligned === undefined ? "" : "-aligned"}`;
    const result: Model = { ...model, params: aligned?.params ?? model.params };
    if (to !== undefined) {
      await saveModel(folderIn(to), result, { from });
      return tell({ kind: "saved", name: to.name });
    }
    const folder = folderOf({}, name);
    await saveModel(folder, result, { from });
    tell({ kind: "saved", name: `${name}.zip`, zip: await zipped(folder.files(), name) });
  };
  const clear = async (): Promise<void> => {
    await dropAligned();
    talks?.free();
    talks = undefined;
    for (const role of ["model", "base"] as const) {
      dispose(models[role]?.model.params ?? {});
      delete models[role];
    }
    if (keep !== undefined) await dropLesson(keep);
    await keep?.remove("model", "base", "turns", "risk");
    tell({ kind: "cleared" });
  };

  const obey = async (command: Command): Promise<void> => {
    switch (command.kind) {
      case "restore":
        return restore(true);
      case "load": {
        const next = await load(command.role, command.place);
        if (command.role === "base") return;
        await setTurns();
        return goOn(next);
      }
      case "say": {
        const { version, text } = command;
        loaded();
        const to = { version, text, params: paramsOf(version) };
        const turn = await (talks as Talks).say(to, (piece) => tell({ kind: "piece", text: piece }), isStopped);
        await put({ turns: (talks as Talks).turns() });
        return tell({ kind: "said", end: turn.end });
      }
      case "forget":
        talks?.set([]);
        return setTurns();
      case "align": {
        const { pairs, alignment } = command;
        const run = String(Date.now());
        return teach({ run, model: loaded().digest, base: models.base?.digest, pairs, alignment }, true);
      }
      case "save":
        return save(command.to);
      case "clear":
        return clear();
    }
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      // A device that does not tell what memory it has is at its end once that is full; a piece too large is refused before.
      const isSpared =
        error instanceof OutOfMemoryError &&
        (device.limits?.memory !== undefined || error.lacking.isOfBuffers === true);
      const isHarmless = error instanceof InputError || isSpared;
      if (!isHarmless) throw error;
      tell({ kind: "failed", message: error.message.split("\n")[0] });
    }
    await put({ risk: false });
    tell({ kind: "free" });
  };
  tell({ kind: "restoring" });
  await attempt(() => restore(again));
  for (;;) {
    const command = later.shift() ?? (await inbox.wait());
    await attempt(() => obey(command));
  }
};
