import { debugs } from "../debug.js";
import type { Owned } from "./owned.js";

/** With DEBUG=leaks: stored tensors that nobody has ended yet, and where each was made. Asked once: a step makes hundreds. */
const reports = debugs("leaks");

interface Birth {
  readonly stored: Owned;
  readonly type: string;
  readonly where: string;
}
const births = new Map<object, Set<Birth>>();

const told = ({ type, stored, where }: Birth, times = 1): string =>
  `taugrad: ${times > 1 ? `${times} × ` : ""}${type} on ${stored.device.name} was never disposed of; made ${where}`;

const lost = new FinalizationRegistry<Birth>((birth) => {
  if (birth.stored.end === undefined && births.get(birth.stored.device)?.delete(birth)) console.error(told(birth));
});

/** The nearest callers outside of the module that makes tensors. */
const callers = (): string => {
  const lines = (new Error().stack ?? "")
    .split("\n")
    .slice(1)
    .map((line) => line.trim());
  const fileOf = (line: string) => /(?:file:\/\/)?\/[^():]+/.exec(line)?.[0];
  const own = lines.map(fileOf).find((file) => file !== undefined);
  const outside = lines.filter((line) => fileOf(line) !== undefined && fileOf(line) !== own);
  return outside.slice(0, 2).join(", ") || lines.slice(-1).join("");
};

/** Notes that a tensor was made. */
export const noteBirth = (tensor: object, stored: Owned, type: string): void => {
  if (!reports) return;
  const birth = { stored, type, where: callers() };
  const known = births.get(stored.device) ?? new Set();
  births.set(stored.device, known.add(birth));
  lost.register(tensor, birth);
};

/** What a device says as it closes, with DEBUG=leaks: each tensor that is still there, alike ones together. */
export const tellForgotten = (device: object): void => {
  const counts = new Map<string, { birth: Birth; times: number }>();
  for (const birth of births.get(device) ?? []) {
    if (birth.stored.end !== undefined) continue;
    const known = counts.get(told(birth));
    counts.set(told(birth), { birth, times: (known?.times ?? 0) + 1 });
  }
  for (const { birth, times } of counts.values()) console.error(told(birth, times));
  births.delete(device);
};
