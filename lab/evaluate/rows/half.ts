import { createHash } from "node:crypto";

/** The two halves of rows: what selection may look at, and what is told. */
export const HALVES = ["validation", "test"] as const;
export type Half = (typeof HALVES)[number];

/** Which half something belongs to, by its content alone: equal rows never stand in both, and new ones move no other. */
export const halfOf = (content: unknown): Half =>
  HALVES[createHash("sha256").update(JSON.stringify(content)).digest()[0] & 1];
