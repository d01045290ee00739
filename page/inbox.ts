/** Commands that wait until a worker has time for them. */
export interface Inbox<Command> {
  readonly put: (command: Command) => void;
  /** Lets messages in, and gives the oldest command. */
  readonly look: () => Promise<Command | undefined>;
  /** The same, once there is one. */
  readonly wait: () => Promise<Command>;
}

/** How long a worker may compute before it hears what came, in milliseconds. */
const DEAF = 30;

export const openInbox = <Command>(): Inbox<Command> => {
  const commands: Command[] = [];
  let wake = (): void => {};
  let heard = 0;
  return {
    put: (command) => {
      commands.push(command);
      wake();
    },
    look: async () => {
      if (performance.now() - heard > DEAF) {
        await new Promise((then) => setTimeout(then));
        heard = performance.now();
      }
      return commands.shift();
    },
    wait: async () => {
      while (commands.length === 0)
        await new Promise<void>((then) => {
          wake = then;
        });
      return commands.shift() as Command;
    },
  };
};
