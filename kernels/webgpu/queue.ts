import { webgpu } from "../platform/node/webgpu.js";

/** A promise whose end can be asked for without awaiting it. */
export interface Pending {
  readonly promise: Promise<void>;
  readonly done: () => boolean;
}

/** All of them, awaited one after the other. */
export const allOf = (parts: readonly Pending[]): Pending => {
  const left = parts.filter((part) => !part.done());
  return {
    get promise() {
      return (async () => {
        for (const part of left) await part.promise;
      })();
    },
    done: () => left.every((part) => part.done()),
  };
};

export const pending = (promise: Promise<unknown>): Pending => {
  let over = false;
  const end = () => {
    over = true;
  };
  return { promise: promise.then(end, end), done: () => over };
};

/** Jobs in the order they were pushed; each waits for what it needs. What one throws is told to the device, at once or late. */
export interface Queue {
  /** Runs the job: at once if nothing is ahead of it and it is ready, else in its turn. */
  readonly push: (run: () => void, needs?: Pending) => void;
  readonly idle: () => boolean;
  /** How many jobs there were so far, and how many of them have run. */
  readonly pushed: () => number;
  readonly finished: () => number;
  readonly drained: () => Promise<void>;
}

export const createQueue = (fail: (error: unknown) => void): Queue => {
  const jobs: { readonly run: () => void; readonly needs: Pending | undefined }[] = [];
  let pumping: Promise<void> | undefined;
  let [pushed, finished] = [0, 0];

  const attempt = (run: () => void) => {
    try {
      run();
    } catch (error) {
      fail(error);
    }
    finished++;
  };
  const pump = async () => {
    for (let job = jobs[0]; job !== undefined; job = jobs[0]) {
      if (job.needs !== undefined && !job.needs.done()) await webgpu.patiently(job.needs.promise);
      attempt(job.run);
      jobs.shift();
    }
    pumping = undefined;
  };

  return {
    push: (run, needs) => {
      pushed++;
      if (jobs.length === 0 && (needs === undefined || needs.done())) {
        attempt(run);
        return;
      }
      jobs.push({ run, needs });
      pumping ??= pump();
    },
    idle: () => jobs.length === 0,
    pushed: () => pushed,
    finished: () => finished,
    drained: async () => {
      while (pumping !== undefined) await pumping;
    },
  };
};
