/** What a stored tensor holds, as far as its end goes. */
export interface Owned<D extends Holder = Holder, B = unknown> {
  readonly device: D;
  readonly buffer: B;
  end?: { how: "disposed of" | "donated"; where: string };
}
interface Holder {
  readonly name: string;
  readonly free: (buffer: never) => void;
}

/** Ends a stored tensor's life: its buffer goes back to the device. Twice is fine. */
export const giveBack = (stored: Owned | undefined, how: "disposed of" | "donated", where: string): void => {
  if (stored === undefined || stored.end !== undefined) return;
  stored.end = { how, where };
  stored.device.free(stored.buffer as never);
};
