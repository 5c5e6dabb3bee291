/** A statement, and what is bound to its parameters. */
export interface Sql {
  text: string;
  values: readonly SqlValue[];
}

export type SqlValue = string | number | null;

/** Parameters of a statement, each under its number: whatever comes from a caller, a row or an operator. */
export class Parameters {
  readonly values: SqlValue[] = [];

  /** What stands for the value in the text. */
  bind(value: SqlValue): string {
    this.values.push(value);
    return `?${this.values.length}`;
  }
}
