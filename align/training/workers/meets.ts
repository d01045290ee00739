import {
  add,
  compile,
  type Device,
  dispose,
  evaluateEach,
  type HostData,
  InputError,
  leaves,
  type Program,
  sub,
  treeZip,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import type { Counted, MeetingState } from "../../../optim/meet/meeting.js";
import type { MeetsOptions, Position, TrainOptions, TrainSnapshot } from "../options.js";
import { noTotals, type TrainState } from "../step.js";
import { only, shardOf } from "./shard.js";
import { spread } from "./spread.js";
import { type Sharing, sumsOver } from "./sums.js";
import { ALONE, summed } from "./workers.js";

/** What the meetings of a run do; all workers call them at the same steps. */
export interface Meets {
  readonly due: (step: number) => boolean;
  /** What a worker keeps from one meeting to the next: its own parameters' share; of `all`, the whole. */
  readonly initial: (params: Params, all: boolean) => MeetingState<Params>;
  /** Hears where all of them start. */
  readonly begin: (params: Params, at: Position) => void;
  /** Have they met after the step that stands there? */
  readonly isMet: (at: Position) => boolean;
  /** All workers' state after their meeting, and the tokens of all; takes over a worker's own. */
  readonly meet: (state: TrainState, at: Position) => Promise<{ readonly state: TrainState; readonly at: Position }>;
  /** A log over all workers, and the tokens of all. The gradients' norm is the mean of theirs. */
  readonly told: (log: HostData, at: Position) => Promise<{ readonly log: HostData; readonly at: Position }>;
  /** A state as files hold it: what each worker remembers for itself stands under its rank. Errors: InputError between meetings. */
  readonly saved: (state: TrainState, at: Position) => TrainState;
  /** Where a run goes on, from such a file; `begun` gives the state before the first step, this worker's or all of it. */
  readonly resumed: (
    resume: NonNullable<TrainOptions["resume"]>,
    begun: (all: boolean) => TrainState,
  ) => Promise<TrainSnapshot>;
  readonly programs: () => readonly Program[];
  readonly release: () => void;
}

/** What has no meaning between meetings. Errors: InputError that names it. */
const checkMeets = (options: TrainOptions, { every, meeting }: MeetsOptions): void => {
  const { optimizer, offload = "none", refDelta, params } = options;
  const refuse = (what: string, mend: string): never => {
    throw new InputError(`workers that meet every ${every} steps: ${what}; ${mend}`);
  };
  if (!Number.isInteger(every) || every < 1) refuse("that is no number of steps", "it must be an integer from 1");
  if (offload !== "none") refuse(`offload "${offload}"`, "leave it out");
  if (meeting.usesTau && refDelta === undefined)
    refuse("the meeting merges with a reference delta", "name a base model to take it from");
  if (optimizer.report !== undefined)
    refuse(`${optimizer.name} hands out an average of each worker's own`, "choose another optimizer");
  if (optimizer.usesMask) refuse(`${optimizer.name} estimates a mask of each worker's own`, "choose another optimizer");
  for (const key of ["average", "referenceFollows", "retain", "spaces"] as const)
    if (options[key] !== undefined) refuse(`${key} would be each worker's own`, "leave it out, or meet every step");
  const state = optimizer.init(params);
  if ("lost" in state.slots) refuse("compensated weights", "what rounding took is each worker's own: leave it out");
  if (leaves(state.params).some(({ dtype }) => dtype !== "f32"))
    refuse("weights are not in f32, where small steps of all would be lost", "train them in f32");
};

/** The meetings that a run asks for; undefined where it asks for none. Errors: InputError for what does not go with them. */
export const meetsOf = (options: TrainOptions, device: Device): Meets | undefined => {
  const { workers = ALONE, wire = "f32", meets, objective } = options;
  if (meets === undefined) return undefined;
  checkMeets(options, meets);
  const { every, meeting } = meets;
  const shard = shardOf(options.params, workers);
  const sharing: Sharing = { workers, shard, wire };
  const sums = sumsOver(options.params, sharing, device);
  const mine = (tree: Params): Params => only(tree, shard.own);
  const name = `${objective.name} meeting`;
  type Place = { readonly params: Params; readonly start: Params };
  type Seen = { readonly tau?: Params; readonly vote?: Params };
  const says = ({ params, start }: Place): Params =>
    meeting.says(treeZip(([w, before]) => sub(w, before), params, start));
  const known = (seen: Seen) => ({ workers: workers.size, ...seen });
  const saying = compile(says, device, { name });
  const electing = compile((total: Params, seen: Seen) => meeting.elect?.(total, known(seen)) ?? total, device, {
    name,
  });
  const counting = compile((at: Place, { vote }: Seen) => meeting.counts(says(at), vote), device, { name });
  const finishing = compile(
    (start: Params, state: MeetingState<Params>, counted: Counted<Params>, seen: Seen) => {
      const met = meeting.finish(state, counted, known(seen));
      return { state: met.state, params: treeZip(([w, step]) => add(w, step), start, met.step) };
    },
    device,
    { donate: [1], name },
  );
  /** Where all stood after the last meeting, and this worker's own part of what τ is there. */
  let start: Params = {};
  let tau: Params | undefined;
  /** The step of that meeting, and the tokens of all until they last told each other. */
  let [met, heard] = [0, 0];

  const meet = async (state: TrainState): Promise<TrainState> => {
    const { params } = state.optimizer;
    const gone: Params[] = [];
    const later = (tree: Params): Params => {
      gone.push(tree);
      return tree;
    };
    try {
      const about: { tau?: Params; vote?: Params } = tau === undefined ? {} : { tau };
      let vote: Params | undefined;
      if (meeting.elect !== undefined) {
        const total = later(await sums.of("its updates", saying({ params, start })));
        about.vote = later(electing(total, about));
        const all = await spread(start, about.vote, "the vote", sharing, device, true);
        // Its own lie among those of others.
        later(
          only(
            all,
            Object.keys(all).filter((leaf) => !shard.own.includes(leaf)),
          ),
        );
        vote = all;
      }
      const { kept, voters } = counting({ params, start }, vote === undefined ? {} : { vote });
      const counted = {
        kept: later(await sums.of("its updates", kept)),
        ...(voters && { voters: later(await sums.of("its votes", voters)) }),
      };
      const before = mine(start);
      const next = finishing(before, state.meeting ?? {}, counted, about);
      start = await spread(start, next.params, "the weights", sharing, device);
      dispose(before, params);
      const { optimizer } = state;
      return { ...state, meeting: next.state, optimizer: { ...optimizer, params: evaluateEach(start, device) } };
    } finally {
      dispose(...gone);
    }
  };

  /** The same place, with what all have read. */
  const read = async (at: Position): Promise<Position> => {
    const [more] = await summed(workers, "the tokens it has read", [at.tokens - heard]);
    heard += more;
    return { ...at, tokens: heard };
  };

  /** What a worker remembers for itself. */
  const ownOf = ({ optimizer: { slots, scalars }, log }: TrainState) => ({ slots, scalars, log });
  const saved = (state: TrainState, ranks: readonly number[]): TrainState => {
    const { optimizer, ...rest } = state;
    const each = Object.fromEntries(ranks.map((rank) => [`${rank}`, ownOf(state)]));
    return { ...rest, optimizer: { ...optimizer, slots: {}, scalars: {} }, log: noTotals(objective), each };
  };

  return {
    due: (step) => step % every === 0,
    initial: (params, all) => meeting.init(all ? params : mine(params)),
    begin: (params, { step, tokens }) => {
      [met, heard] = [step, tokens];
      start = evaluateEach(params, device);
      if (meeting.usesTau) tau = evaluateEach(meeting.prepare(mine(options.refDelta as Params)), device);
    },
    meet: async (state, at) => {
      const next = { state: await meet(state), at: await read(at) };
      met = at.step;
      return next;
    },
    told: async (log, at) => {
      const all = await summed(workers, "what it logs", log);
      all[objective.width] /= workers.size;
      return { log: all, at: await read(at) };
    },
    isMet: ({ step }) => step === met,
    saved: (state, { step }) => {
      if (step !== met)
        throw new InputError(`workers that meet every ${every} steps have no state of all between their meetings`);
      return saved(state, [workers.rank]);
    },
    resumed: async (resume, begun) => {
      const ranks = Array.from({ length: workers.size }, (_, rank) => rank);
      const { state, ...at } = await resume(saved(begun(false), [workers.rank]), saved(begun(true), ranks));
      const { each = {}, ...rest } = state;
      const { log, ...own } = each[workers.rank];
      dispose(state.log);
      return { ...at, state: { ...rest, log, optimizer: { ...state.optimizer, ...own } } };
    },
    programs: () => [sums, saying, electing, counting, finishing].flatMap((compiled) => compiled.programs()),
    release: () => dispose(start, tau ?? {}),
  };
};
