// From a failure's code to the key of its help text in locales/*/failures.json. Pure.

/** Dots separate the levels of message keys, so the help for `coap.timeout` is kept under `coap_timeout`. */
export function failureKey(code: string): string {
  return code.replaceAll('.', '_')
}
