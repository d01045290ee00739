/** What Node has as globals: code for browsers too cannot count on them, and imports them from here (build-seams.mjs). */
export { Buffer } from "node:buffer";
export { default as process } from "node:process";
