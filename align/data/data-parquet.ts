import { InputError } from "../../core/errors.js";
import { oneLine } from "../../models/files/json.js";
import type { Found } from "./data-json.js";

const reason = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error));

/** Both packages are optional peers; the second knows the codecs beside Snappy. */
const reader = async (path: string) => {
  try {
    const [parquet, { compressors }] = await Promise.all([import("hyparquet"), import("hyparquet-compressors")]);
    return { ...parquet, compressors };
  } catch (error) {
    throw new InputError(
      `${path}: reading Parquet takes two more packages: npm install hyparquet hyparquet-compressors (${reason(error)})`,
    );
  }
};

/**
 * The rows of a Parquet file, a row group at a time; `onRead` hears the share of them that is read.
 * Errors: InputError for a file that is none or is broken, and without the package `hyparquet`.
 */
export async function* parquetRows(path: string, onRead: (share: number) => void): AsyncGenerator<Found> {
  const { asyncBufferFromFile, compressors, parquetMetadataAsync, parquetReadObjects } = await reader(path);
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw new InputError(`${path}: is no Parquet file, or is broken (${reason(error)})`);
    }
  };
  const file = await guarded(() => asyncBufferFromFile(path));
  const metadata = await guarded(() => parquetMetadataAsync(file));
  let number = 0;
  for (const [i, { num_rows: count }] of metadata.row_groups.entries()) {
    const group = { file, metadata, compressors, rowStart: number, rowEnd: number + Number(count) };
    for (const row of await guarded(() => parquetReadObjects(group))) yield [`${path}: row ${++number}`, row];
    onRead((i + 1) / metadata.row_groups.length);
  }
}
