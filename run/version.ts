/** What build.mjs puts in its place: `version` of package.json. */
declare const TAUGRAD_VERSION: string;

/** This package's version. */
export const VERSION: string = TAUGRAD_VERSION;
