import type { Value } from "./values.js";

export interface CallArgs {
  readonly list: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  readonly spread?: Expression;
  readonly namedSpread?: Expression;
}

export type Expression =
  | { readonly type: "constant"; readonly value: Value }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "list" | "tuple" | "concat"; readonly items: readonly Expression[] }
  | { readonly type: "dict"; readonly items: readonly (readonly [Expression, Expression])[] }
  | { readonly type: "attribute"; readonly of: Expression; readonly name: string }
  | { readonly type: "item"; readonly of: Expression; readonly key: Expression }
  | { readonly type: "slice"; readonly of: Expression; readonly parts: readonly (Expression | undefined)[] }
  | { readonly type: "call"; readonly of: Expression; readonly args: CallArgs }
  | { readonly type: "filter"; readonly of: Expression | undefined; readonly name: string; readonly args: CallArgs }
  | { readonly type: "test"; readonly of: Expression; readonly name: string; readonly args: CallArgs }
  | { readonly type: "not" | "minus" | "plus"; readonly of: Expression }
  | { readonly type: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly type: "binary"; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | {
      readonly type: "compare";
      readonly of: Expression;
      readonly with: readonly (readonly [operator: string, Expression])[];
    }
  | {
      readonly type: "choice";
      readonly test: Expression;
      readonly yes: Expression;
      readonly no: Expression | undefined;
    };

/** What a value is assigned to: a name, several, or a field of a namespace. */
export type Target =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "field"; readonly name: string; readonly field: string }
  | { readonly type: "targets"; readonly items: readonly Target[] };

export interface Parameter {
  readonly name: string;
  readonly default: Expression | undefined;
}

export interface Routine {
  readonly parameters: readonly Parameter[];
  readonly body: Block;
}

export type Block = readonly Statement[];

export type Statement =
  | { readonly type: "data"; readonly text: string }
  | { readonly type: "print"; readonly value: Expression }
  | { readonly type: "set"; readonly target: Target; readonly value: Expression }
  | { readonly type: "capture"; readonly target: Target; readonly filter: Expression | undefined; readonly body: Block }
  | { readonly type: "filtered"; readonly filter: Expression; readonly body: Block }
  | { readonly type: "if"; readonly test: Expression; readonly yes: Block; readonly no: Block }
  | {
      readonly type: "for";
      readonly target: Target;
      readonly items: Expression;
      readonly test: Expression | undefined;
      readonly isRecursive: boolean;
      readonly body: Block;
      readonly none: Block;
    }
  | { readonly type: "break" | "continue" }
  | { readonly type: "with"; readonly sets: readonly (readonly [Target, Expression])[]; readonly body: Block }
  | { readonly type: "macro"; readonly name: string; readonly routine: Routine }
  | { readonly type: "callBlock"; readonly call: Expression & { type: "call" }; readonly routine: Routine }
  | { readonly type: "generation"; readonly body: Block };
