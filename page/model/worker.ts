/** The worker of the second view: a visitor's model lies here. */
import { open } from "../../kernels/index.js";
import { openInbox } from "../inbox.js";
import type { Command, Told } from "./messages.js";
import { workModel } from "./work.js";

const tell = (told: Told): void => postMessage(told);
const inbox = openInbox<Command>();

addEventListener("message", async ({ data }: MessageEvent<Command>) => {
  if (data.kind !== "open") return inbox.put(data);
  try {
    const device = await open(data.device);
    tell({ kind: "device", description: device.description });
    await workModel(device, inbox, tell);
  } catch (error) {
    tell({ kind: "ended", message: error instanceof Error ? error.message : String(error) });
  }
});
