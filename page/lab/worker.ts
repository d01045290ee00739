/** The lab's worker: computes, and tells the page; the page draws. */
import { DeviceLostError } from "../../core/index.js";
import { open } from "../../kernels/index.js";
import { openInbox } from "../inbox.js";
import { openStore } from "../store.js";
import { workLab } from "./lab.js";
import type { Command, Told } from "./messages.js";

const tell = (told: Told): void => postMessage(told);
const inbox = openInbox<Command>();

addEventListener("message", async ({ data }: MessageEvent<Command>) => {
  if (data.kind !== "open") return inbox.put(data);
  const { device: name, course, start } = data;
  try {
    const notes: string[] = [];
    const device = await open(name, { notice: (line) => notes.push(line) });
    const store = await openStore("taugrad-lab").catch(() => undefined);
    tell({ kind: "device", description: device.description, why: notes.join("\n"), keeps: store !== undefined });
    await workLab({ device, course, start, store, inbox, tell });
  } catch (error) {
    tell({
      kind: "failed",
      message: error instanceof Error ? error.message : String(error),
      lost: error instanceof DeviceLostError,
    });
  }
});
