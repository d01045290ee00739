import { DeviceError, InputError, OwnershipError, ShapeError } from "../../core/index.js";
import { isSystemError, type SystemError } from "../../models/files/writing/system-error.js";
import { Interrupted } from "./blame.js";

/** An error as it travels between processes: its kind, its words, and what the system said of it. */
export interface ToldError {
  readonly kind: string;
  readonly message: string;
  readonly stack?: string;
  readonly system?: {
    readonly code: string;
    readonly syscall: string;
    readonly errno?: number;
    readonly path?: string;
  };
}

/** Kinds that a user can mend. */
const KINDS = { Interrupted, InputError, DeviceError, ShapeError, OwnershipError } as const;

/** What the system said of an error, or of what caused it. */
const systemIn = (error: Error): SystemError | undefined =>
  [error, error.cause].find((one): one is SystemError => isSystemError(one));

export const toldError = (error: unknown): ToldError => {
  if (!(error instanceof Error)) return { kind: "Error", message: String(error) };
  const { message, stack } = error;
  const kind = Object.entries(KINDS).find(([, one]) => error instanceof one)?.[0] ?? "Error";
  const system = systemIn(error);
  if (system === undefined) return { kind, message, stack };
  const { code, syscall, errno, path } = system;
  return { kind, message, stack, system: { code, syscall, errno, path } };
};

/** The same error on the other side. */
export const heardError = ({ kind, message, stack, system }: ToldError): Error => {
  const error = new (KINDS[kind as keyof typeof KINDS] ?? Error)(message);
  if (kind === "Error") return Object.assign(error, system, stack === undefined ? {} : { stack });
  return system === undefined ? error : Object.assign(error, { cause: Object.assign(new Error(message), system) });
};
