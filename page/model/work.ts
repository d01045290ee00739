import { type Device, dispose, InputError } from "../../core/index.js";
import {
  type Conversation,
  conversation,
  type Folder,
  folderAt,
  folderIn,
  folderOf,
  type Generator,
  generator,
  loadModel,
  loadTokenizer,
  type Model,
  type Params,
  saveModel,
  streamText,
  type Tokenizer,
} from "../../models/index.js";
import type { Inbox } from "../inbox.js";
import { type Aligned, align } from "./align.js";
import type { About, Command, Place, Told, Version } from "./messages.js";
import { zipped } from "./zip.js";

/** A model in memory, and where it comes from. */
interface Loaded {
  readonly folder: Folder;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
}

/** Tokens of an answer, at most. */
const ANSWER = 256;

const folderOfPlace = (place: Place): Folder => {
  switch (place.kind) {
    case "files":
      return folderOf(place.files, place.files[0]?.webkitRelativePath.split("/")[0] || "the files");
    case "handle":
      return folderIn(place.handle);
    case "address":
      return folderAt(new URL(place.address, location.href));
  }
};

const aboutOf = ({ folder, model: { config, params }, tokenizer }: Loaded): About => ({
  name: folder.path.replace(/\/$/, "").split("/").at(-1) ?? folder.path,
  family: String(config.raw.model_type),
  parameters: Object.values(params).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
  context: config.maxPositions,
  chats: tokenizer.hasChatTemplate,
});

/** Loads, talks, aligns and saves as it is told, for as long as the view is open. */
export const workModel = async (device: Device, inbox: Inbox<Command>, tell: (told: Told) => void): Promise<never> => {
  let model: Loaded | undefined;
  let base: Loaded | undefined;
  let aligned: Aligned | undefined;
  let go: Generator | undefined;
  const talks = new Map<Version, Conversation>();
  /** What came while something else was going on. */
  const later: Command[] = [];
  const isStopped = async (): Promise<boolean> => {
    for (let next = await inbox.look(); next !== undefined; next = await inbox.look())
      if (next.kind === "stop") return true;
      else later.push(next);
    return false;
  };

  const loaded = (): Loaded => {
    if (model === undefined) throw new InputError("choose a model first");
    return model;
  };
  const paramsOf = (version: Version): Params => {
    const before = loaded().model.params;
    return version === "after" ? (aligned?.params ?? before) : before;
  };
  const forget = (): void => {
    for (const talk of talks.values()) talk.free();
    talks.clear();
  };
  const dropAligned = (): void => {
    forget();
    if (aligned !== undefined) dispose(aligned.fresh);
    aligned = undefined;
  };

  const load = async ({ role, place }: Extract<Command, { kind: "load" }>): Promise<void> => {
    const folder = folderOfPlace(place);
    const onProgress = (done: number, total: number): void => tell({ kind: "loading", role, share: done / total });
    tell({ kind: "loading", role, share: 0 });
    const tokenizer = await loadTokenizer(folder);
    const next = { folder, tokenizer, model: await loadModel(folder, device, { onProgress }) };
    if (role === "base") {
      if (base !== undefined) dispose(base.model.params);
      base = next;
    } else {
      dropAligned();
      go?.free();
      if (model !== undefined) dispose(model.model.params);
      model = next;
      go = generator(next.model.config, device);
    }
    tell({ kind: "loaded", role, about: aboutOf(next) });
  };

  const say = async ({ text, version }: Extract<Command, { kind: "say" }>): Promise<void> => {
    const { model: weights, tokenizer } = loaded();
    const speaker = { config: weights.config, params: paramsOf(version), tokenizer };
    const options = { maxNewTokens: ANSWER, temperature: 0.7, topP: 0.95 };
    const pieces = (): AsyncGenerator<{ readonly text: string; readonly end?: string }> => {
      if (!tokenizer.hasChatTemplate) return streamText(go as Generator, speaker, tokenizer.encode(text), options);
      const talk = talks.get(version) ?? conversation(go as Generator, speaker, options);
      talks.set(version, talk);
      return talk.say(text);
    };
    let end = "stopped";
    for await (const piece of pieces()) {
      tell({ kind: "piece", text: piece.text });
      end = piece.end ?? end;
      if (await isStopped()) break;
    }
    tell({ kind: "said", end });
  };

  const alignNow = async ({ pairs, alignment }: Extract<Command, { kind: "align" }>): Promise<void> => {
    const { model: weights, tokenizer } = loaded();
    dropAligned();
    let [begun, done] = [performance.now(), 0];
    aligned = await align({ model: weights, tokenizer, base: base?.model, pairs, alignment }, device, {
      onPairs: (kept, rows) => tell({ kind: "pairs", kept, rows }),
      onStep: ({ step, record }) => {
        done = step;
        if (record === undefined) return;
        const milliseconds = performance.now() - begun;
        begun = performance.now();
        const { "rewards/margins": margin, "rewards/accuracies": accuracy, loss } = record;
        tell({ kind: "step", step, steps: alignment.steps, loss, margin, accuracy, milliseconds });
      },
      isStopped,
    });
    tell({ kind: "aligned", steps: done });
  };

  const save = async ({ to }: Extract<Command, { kind: "save" }>): Promise<void> => {
    const { folder: from, model: weights } = loaded();
    const { name } = aboutOf(loaded());
    const result: Model = { ...weights, params: paramsOf("after") };
    if (to !== undefined) {
      await saveModel(folderIn(to), result, { from });
      return tell({ kind: "saved", name: to.name });
    }
    const folder = folderOf({}, name);
    await saveModel(folder, result, { from });
    tell({ kind: "saved", name: `${name}-aligned.zip`, zip: await zipped(folder.files(), `${name}-aligned`) });
  };

  const obey = async (command: Command): Promise<unknown> => {
    switch (command.kind) {
      case "load":
        return load(command);
      case "say":
        return say(command);
      case "forget":
        return forget();
      case "align":
        return alignNow(command);
      case "save":
        return save(command);
    }
  };
  for (;;) {
    const command = later.shift() ?? (await inbox.wait());
    try {
      await obey(command);
    } catch (error) {
      if (!(error instanceof InputError) || !device.isOpen()) throw error;
      tell({ kind: "failed", message: error.message });
    }
  }
};
