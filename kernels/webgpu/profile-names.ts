/** Adapters that can be planned for where there are none: see profiles.ts. */
export const PROFILE_NAMES = ["nvidia", "lavapipe", "swiftshader"] as const;
/** A kind of GPU that programs can be planned for without one. */
export type ProfileName = (typeof PROFILE_NAMES)[number];
