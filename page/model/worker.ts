/** The worker of the second view: a visitor's model lies here. */
import { DeviceLostError } from "../../core/index.js";
import { open } from "../../kernels/index.js";
import { openInbox } from "../inbox.js";
import { openKeep } from "./keep.js";
import type { Command, Told } from "./messages.js";
import { workModel } from "./work.js";

const tell = (told: Told): void => postMessage(told);
const inbox = openInbox<Command>();

addEventListener("message", async ({ data }: MessageEvent<Command>) => {
  if (data.kind !== "open") return inbox.put(data);
  try {
    const device = await open(data.device);
    const keep = await openKeep().catch(() => undefined);
    tell({ kind: "device", description: device.description, keeps: keep !== undefined });
    await workModel({ device, keep, inbox, tell, again: data.again });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell({ kind: "ended", message, lost: error instanceof DeviceLostError });
  }
});
