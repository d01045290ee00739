/** What a repository of the Hub holds. */
export type RepoType = "model" | "dataset";

/** A repository of the Hub at a revision: a branch, a tag or a commit. */
export interface HubName {
  readonly type: RepoType;
  /** owner/name. */
  readonly id: string;
  readonly revision: string;
}

const PART = "[A-Za-z0-9](?:[\\w.-]*[A-Za-z0-9])?";
const NAME = new RegExp(`^(${PART}/${PART})(?:@([\\w./-]+))?$`);
/** Ends of files that are no names of repositories. */
const FILES = /\.(jsonl?|gz|parquet|csv|txt|ya?ml|safetensors|jinja)$/i;

/** Reads "owner/name" or "owner/name@revision"; undefined for what is no such name, a path for example. */
export const parseHubName = (text: string, type: RepoType = "model"): HubName | undefined => {
  const [, id, revision = "main"] = NAME.exec(text) ?? [];
  if (id === undefined || FILES.test(id) || /--|\.\./.test(id) || /\.\.|^[/.]/.test(revision)) return undefined;
  return { type, id, revision };
};

/** owner--name, as folders of the cache are called. */
export const repoFolder = ({ type, id }: Pick<HubName, "type" | "id">): string => `${type}s--${id.replace("/", "--")}`;

/** The name of the repository that a folder of the cache was downloaded from; undefined for any other folder. */
export const hubNameOf = (folder: string): string | undefined => {
  const [, owner, name] =
    /[/\\](?:model|dataset)s--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\][0-9a-f]{40}[/\\]?$/.exec(folder) ?? [];
  return owner === undefined ? undefined : `${owner}/${name}`;
};
