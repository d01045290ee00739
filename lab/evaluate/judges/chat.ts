/** What a judge is asked. */
export interface ChatRequest {
  readonly system?: string;
  readonly user: string;
}

export interface ChatReply {
  readonly text: string;
  /** Log-probabilities of what could stand at the first place, by token, where the judge tells them. */
  readonly logprobs?: Readonly<Record<string, number>>;
}

export interface ChatOptions {
  /** Tokens of a reply. */
  readonly most: number;
  /** Ask for log-probabilities. */
  readonly logprobs?: boolean;
}

/** Tokens of a judgment, as FastChat asks for. */
export const JUDGMENT = 2048;

/** Asks a judge; replies in the requests' order. Errors: InputError. */
export interface Chat {
  /** What tells it from other judges. */
  readonly name: string;
  /** Requests that it answers beside each other. */
  readonly atOnce: number;
  readonly ask: (requests: readonly ChatRequest[], options: ChatOptions) => Promise<readonly ChatReply[]>;
}
