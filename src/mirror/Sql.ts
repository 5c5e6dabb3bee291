/** A statement, and what is bound to its parameters. */
export interface Sql {
  text: string;
  values: readonly SqlValue[];
}

export type SqlValue = string | number | null;

/** Parameters of a statement, each under its number: whatever comes from a caller, a row or an operator. */
export class Parameters {
  readonly #numbers = new Map<SqlValue, number>();

  get values(): readonly SqlValue[] {
    return [...this.#numbers.keys()];
  }

  get count(): number {
    return this.#numbers.size;
  }

  /** What stands for the value in the text. */
  bind(value: SqlValue): string {
    const number = this.#numbers.get(value) ?? this.#numbers.size + 1;
    this.#numbers.set(value, number);
    return `?${number}`;
  }
}
