// What a choice offers.

export interface SelectOption<Value extends string> {
  readonly value: Value
  readonly label: string
  readonly disabled?: boolean
}

/** The empty text stands for "none" where a placeholder offers that. */
export type Chosen<Value extends string> = Value | ''
