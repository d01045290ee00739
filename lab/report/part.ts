/** A part of the report: what its heading says, what links to it, and what stands below. */
export interface Part {
  readonly id: string;
  readonly title: string;
  readonly body: string;
}
