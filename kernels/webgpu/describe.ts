import { findAll } from "./adapter.js";
import type { AdapterReport } from "./adapter-report.js";

/** Every adapter, best first; an empty list where there is none. Errors: DeviceError if the native module does not load. */
export const describeAdapters = async (): Promise<AdapterReport[]> => (await findAll()).map(({ report }) => report);
