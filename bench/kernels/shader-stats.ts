import { multiplyAddShare } from "./machine-code.js";

/** What a driver's compiler tells of one pipeline. */
export interface ShaderStats {
  readonly registers: number;
  /** Registers that found no place, vector and scalar. */
  readonly spills: number;
  /** Bytes. */
  readonly scratch: number;
  /** Bytes of workgroup memory. */
  readonly lds: number;
  /** Subgroups that a SIMD holds at once. */
  readonly waves: number;
  readonly instructions: number;
  /** Cycles between two subgroups' ends, as the compiler reckons. */
  readonly inverseThroughput: number;
  /** Multiply-adds of the vector instructions of its main loops, where the driver shows machine code: see `multiplyAddShare`. */
  readonly multiplyAdds?: number;
}

const numbersIn = (text: string): ReadonlyMap<string, number> =>
  new Map([...text.matchAll(/^([A-Z][A-Za-z -]*): (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));

/**
 * The statistics in what RADV writes with RADV_DEBUG=shaderstats for one pipeline (Mesa 25); undefined if there are none. Errors:
 * Error if a name that is known is not there.
 */
export const parseShaderStats = (text: string): ShaderStats | undefined => {
  const blocks = text.split("*** SHADER STATS ***").slice(1);
  if (blocks.length === 0) return undefined;
  const numbers = numbersIn(blocks[blocks.length - 1]);
  const of = (name: string): number => {
    const value = numbers.get(name);
    if (value === undefined) throw new Error(`RADV's shader statistics have no "${name}": another version of Mesa?`);
    return value;
  };
  const multiplyAdds = multiplyAddShare(text);
  return {
    ...(multiplyAdds !== undefined && { multiplyAdds }),
    registers: of("VGPRs"),
    spills: of("Spilled VGPRs") + of("Spilled SGPRs"),
    scratch: of("Scratch size"),
    lds: of("LDS size"),
    waves: of("Subgroups per SIMD"),
    instructions: of("Instructions"),
    inverseThroughput: of("Inverse Throughput"),
  };
};
