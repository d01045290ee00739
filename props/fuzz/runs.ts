/** What happens to runs: damaged folders, system errors, short writes, signals, kills, another run; and a lab's damaged cache. */
import type { ChildProcess } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodeOf } from "../../cli/stopped.js";
import { type Attempt, endingOf, isWell, type Kind, type Run, type Took } from "./attempt.js";
import { type Draw, pick } from "./mutate.js";
import {
  asking,
  copied,
  damage,
  filesOf,
  lab,
  preferring,
  recovers,
  resuming,
  rows,
  training,
  whole,
} from "./whole.js";

const ERRORS = ["ENOSPC", "EIO", "EDQUOT", "EROFS", "EFBIG", "EMFILE", "EACCES", "EBUSY", "EINTR", "ENOENT"];

/** Signals that end a run, which saves first. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** What is said to a process a moment after its start. */
const later =
  (draw: Draw, say: (child: ChildProcess) => void) =>
  (child: ChildProcess): void => {
    setTimeout(() => say(child), draw(1500)).unref();
  };

/** Kinds that need a finished run and a finished lab to begin with; made in folders of their own. */
export const runKinds = async (folder: (name: string) => string, run: Run): Promise<Readonly<Record<string, Kind>>> => {
  const trained = folder("trained");
  const done = await whole(trained, training(trained), ["model.safetensors", "metrics.jsonl"], run);
  const studied = folder("studied");
  const studies = await whole(studied, lab(studied), ["results.json", "report.html"], run);

  const preferred = folder("preferred");
  const referred = await whole(preferred, preferring(preferred), ["model.safetensors", "metrics.jsonl"], run);
  const answered = folder("answered");
  const asked = await whole(answered, asking(answered), ["a.jsonl", "b.jsonl"], run);

  const checkpoint: Kind = (draw, place) => {
    copied(done, place);
    const out = join(place, "out");
    for (const name of ["model.safetensors", "config.json"]) rmSync(join(out, name));
    // Of two checkpoints one stays whole.
    const what = damage(join(out, `checkpoint-${pick(draw, [2, 4])}`), draw);
    return { what, args: training(place, "--resume"), lost: recovers(done, place, () => training(place, "--resume")) };
  };

  const cache: Kind = (draw, place) => {
    copied(studies, place);
    const what = damage(join(place, "out", "cache"), draw);
    // Its workers are processes of the program that is running.
    return { what, args: lab(place), meets: {}, lost: recovers(studies, place, () => lab(place)) };
  };

  const faulty =
    (what: (draw: Draw) => string, lasts: boolean): Kind =>
    (draw, place): Attempt => {
      writeFileSync(join(place, "rows.jsonl"), rows.join(""));
      const [fault, at] = [what(draw), 1 + draw(160)];
      return {
        what: `${fault} at call ${at}${lasts ? " and after" : ""}`,
        args: training(place),
        meets: { fault: { what: fault, at, under: place, lasts }, ...(fault === "KILL" && { codes: [null] }) },
        lost: recovers(done, place, () => resuming(place)),
      };
    };

  const signal: Kind = (draw, place) => {
    writeFileSync(join(place, "rows.jsonl"), rows.join(""));
    const name = pick(draw, SIGNALS);
    const twice = draw(4) === 0;
    const during = later(draw, (child) => {
      child.kill(name);
      if (twice) child.kill(name);
    });
    return {
      what: twice ? `${name} twice` : name,
      args: training(place),
      // Before the program listens, and from the second on, the system ends it.
      meets: { during, codes: [exitCodeOf(name), null] },
      lost: recovers(done, place, () => resuming(place)),
    };
  };

  const stream: Kind = (draw, place) => {
    writeFileSync(join(place, "rows.jsonl"), rows.join(""));
    const name = pick(draw, ["stderr", "stdout"] as const);
    const during = later(draw, (child) => child[name]?.destroy());
    return {
      ...{ what: `${name} is lost`, args: training(place), meets: { during } },
      lost: recovers(done, place, () => resuming(place)),
    };
  };

  /** One of them writes, the other one is refused, or comes later and finds its own. */
  const two: Kind = (draw, place) => {
    writeFileSync(join(place, "rows.jsonl"), rows.join(""));
    const wait = draw(800);
    let other: Promise<Took> | undefined;
    const another = async (run: Run): Promise<Took> => {
      await new Promise((resolve) => setTimeout(resolve, wait));
      return run(training(place));
    };
    return {
      what: `another ${wait} ms later`,
      args: training(place),
      meets: {
        during: () => {
          other ??= another(run);
        },
      },
      lost: async (first, again) => {
        const second = await other;
        if (second === undefined) return "there was no other";
        if (!isWell(endingOf(second))) return `the other one: ${endingOf(second)}, ${second.stderr.slice(-400)}`;
        if (first.code !== 0 && second.code !== 0) return "both are refused";
        return recovers(done, place, () => resuming(place))({ ...first, code: 0 }, again);
      },
    };
  };

  /** Files that a run reads again where it goes on: what is lost of them is told, and the weights are those of any other run. */
  const record: Kind = (draw, place) => {
    copied(done, place);
    const out = join(place, "out");
    for (const name of ["model.safetensors", "config.json"]) rmSync(join(out, name));
    const what = damage(out, draw, /^(metrics\.jsonl|runs\/.*|trainer_state\.json|\.taugrad.*)$/, [
      ...["cut", "remove", "grow", "empty"], // of a bit in a number nothing tells
    ]);
    const args = training(place, "--resume");
    return {
      ...{ what, args },
      lost: async ({ code, stderr }) => {
        if (code !== 0) return "it does not go on";
        if (filesOf(place, ["model.safetensors"]) !== filesOf(trained, ["model.safetensors"])) return "other weights";
        const isSame = filesOf(place, ["metrics.jsonl"]) === filesOf(trained, ["metrics.jsonl"]);
        return isSame || /warning/.test(stderr) ? undefined : "a record is lost without a word";
      },
    };
  };

  const kept: Kind = (draw, place) => {
    copied(referred, place);
    const out = join(place, "out");
    for (const name of readdirSync(out))
      if (/^(checkpoint-.*|model.*)$/.test(name)) rmSync(join(out, name), { recursive: true });
    const what = damage(join(out, ".cache"), draw);
    return { what, args: preferring(place), lost: recovers(referred, place, () => preferring(place)) };
  };

  const answers: Kind = (draw, place) => {
    copied(asked, place);
    const what = damage(join(place, "out"), draw, /jsonl$/);
    const goesOn = recovers(asked, place, () => asking(place));
    return {
      ...{ what, args: asking(place) },
      // Of a file in which no line is ours nobody knows whose it is.
      lost: async (ended, run) =>
        ended.code === 2 && /holds no answers of an earlier call/.test(ended.stderr) ? undefined : goesOn(ended, run),
    };
  };

  return {
    checkpoint,
    ...{ record, signal, stream },
    "two at once": two,
    "reference's cache": kept,
    "kept answers": answers,
    "lab's cache": cache,
    "system error": faulty((draw) => pick(draw, ERRORS), false),
    "full disk": faulty((draw) => pick(draw, ["ENOSPC", "EDQUOT", "EIO", "EROFS"]), true),
    "short write": faulty(() => "short", false),
    "short writes": faulty(() => "short", true),
    kill: faulty(() => "KILL", false),
  };
};
