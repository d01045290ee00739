export * from "../../testing/generators.js";
