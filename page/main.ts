/** The page: two views, and their workers. */
import type { DeviceName } from "../kernels/index.js";
import type { Command, Told } from "./lab/messages.js";
import { COURSE, type Course } from "./lab/settings.js";
import { BEFORE, type LabState, told } from "./lab/state.js";
import { openLabView } from "./lab/view.js";
import type { Command as ModelCommand, Told as ModelTold } from "./model/messages.js";
import { openModelView } from "./model/view.js";
import { byId } from "./ui/element.js";

/** Set by the builder: where trained weights lie beside the page, and another course, which laws take. */
declare const START: string | undefined;
declare const SHORT_COURSE: Course | undefined;

const VIEWS = { lab: "what does an alignment cost?", model: "your own model" };
const showView = (): void => {
  const wanted = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "lab";
  for (const [name, title] of Object.entries(VIEWS)) {
    byId(`view-${name}`).hidden = name !== wanted;
    if (name === wanted) document.title = `taugrad: ${title}`;
  }
  for (const link of document.querySelectorAll<HTMLAnchorElement>("nav a"))
    if (link.hash === `#${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
};

/** How often a worker is started again of itself after its GPU went away. */
const REVIVALS = 3;
const DEVICE = "taugrad-device";

/** A browser tells no more of a worker whose file it does not get. */
const LOST = "The page's host does not answer: open the page again once it does.";

/** What a visitor is told of a device that went away. */
const noticeOf = (message: string, { device }: LabState): string =>
  `${message.split("\n")[0]}. ${device?.keeps ? "It goes on from the last exam." : "It begins anew."}`;

/** The lab's worker is started when its view is first seen. */
const openLab = (device: HTMLSelectElement): (() => void) => {
  let state = BEFORE;
  let worker: Worker | undefined;
  let lost = 0;
  const tell = (command: Command): void => worker?.postMessage(command);
  const draw = openLabView(tell, START !== undefined);
  const begin = (notice?: string): void => {
    worker?.terminate();
    worker = new Worker(new URL("lab-worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data.kind === "point") lost = 0;
      if (data.kind === "failed" && data.lost && lost++ < REVIVALS) return begin(noticeOf(data.message, state));
      state = told(state, data);
      draw(state);
    };
    worker.onerror = ({ message }) => {
      state = told(state, { kind: "failed", message: message ?? LOST, lost: false });
      draw(state);
    };
    state = { ...BEFORE, notice };
    tell({ kind: "open", device: device.value as DeviceName, course: SHORT_COURSE ?? COURSE, start: START });
    draw(state);
  };
  const beginIfSeen = (): void => {
    if (!byId("view-lab").hidden && worker === undefined) begin();
  };
  addEventListener("hashchange", beginIfSeen);
  beginIfSeen();
  return () => {
    if (worker !== undefined) begin();
  };
};

/** The second view's worker is started when the view is first seen, and again after a fault when something is asked of it. */
const openModel = (device: HTMLSelectElement): (() => void) => {
  let worker: Worker | undefined;
  let lost = 0;
  /** Does the next worker go on with what the one before was at? */
  let again = false;
  const end = (told: Extract<ModelTold, { kind: "ended" }>): void => {
    worker?.terminate();
    worker = undefined;
    const isRevived = told.lost && lost++ < REVIVALS;
    hear({ ...told, lost: isRevived });
    again = isRevived;
    if (isRevived) worker = begin();
  };
  const fail = (message: string): void => end({ kind: "ended", message, lost: false });
  const begin = (): Worker => {
    const begun = new Worker(new URL("model-worker.js", import.meta.url), { type: "module" });
    begun.onmessage = ({ data }: MessageEvent<ModelTold>) => {
      if (data.kind === "step") lost = 0;
      if (data.kind === "ended") end(data);
      else hear(data);
    };
    begun.onerror = ({ message }) => fail(message ?? LOST);
    begun.postMessage({ kind: "open", device: device.value as DeviceName, again } satisfies ModelCommand);
    again = false;
    return begun;
  };
  const hear = openModelView((command) => {
    worker ??= begin();
    worker.postMessage(command);
  }, START);
  const beginIfSeen = (): void => {
    if (!byId("view-model").hidden) worker ??= begin();
  };
  addEventListener("hashchange", beginIfSeen);
  beginIfSeen();
  return () => {
    if (worker === undefined) return;
    fail("Another device: choose the model again.");
    again = true;
    beginIfSeen();
  };
};

/** What the browser remembers, where it may. */
const remembering = (use: (storage: Storage) => void): void => {
  try {
    use(localStorage);
  } catch {
    // Storage is forbidden, or full: the device is chosen anew the next time.
  }
};

const device = byId<HTMLSelectElement>("device");
remembering((storage) => {
  const before = storage.getItem(DEVICE);
  if (before !== null && [...device.options].some(({ value }) => value === before)) device.value = before;
});
addEventListener("hashchange", showView);
showView();
const restarts = [openLab(device), openModel(device)];
device.addEventListener("change", () => {
  remembering((storage) => storage.setItem(DEVICE, device.value));
  for (const restart of restarts) restart();
});
