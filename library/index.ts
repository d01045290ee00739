/**
 * Tensors, ops, gradients and programs. A tensor is a frozen node of a graph; nothing is computed before a device is asked.
 * Every op answers what it cannot take with a ShapeError: its name, shapes and dtypes, and what to write instead.
 * @module taugrad
 */
export * from "../core/index.js";
export * from "./activation.js";
export * from "./conv.js";
export * from "./create.js";
export * from "./eigh.js";
export * from "./einsum.js";
export * from "./element.js";
export { cholesky, det, inv, matrixPower, qr, slogdet, solve } from "./linalg.js";
export * from "./losses.js";
export * from "./nn.js";
export * from "./products.js";
export * from "./random.js";
export * from "./reduce.js";
export * from "./scan.js";
export * from "./shape.js";
export { argsort, bincount, median, quantile, type SortOptions, searchSorted, sort, topk } from "./sort.js";
export * from "./svd.js";
export * from "./take.js";
