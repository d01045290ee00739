/** GPUBufferUsage: numbers of the WebGPU specification, since Node has no such global before Dawn is loaded. */
export const USAGE = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, uniform: 0x40, storage: 0x80 } as const;
/** GPUMapMode.READ and GPUShaderStage.COMPUTE. */
export const MAP_READ = 1;
export const COMPUTE_STAGE = 4;
