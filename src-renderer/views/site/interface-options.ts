// The machine's addresses as choices: one's own computer first, then what leads out; an address that is gone is still shown. Pure.
import type { OpOutput } from '#contract/ops.ts'

export interface InterfaceOption {
  readonly value: string
  readonly label: string
  readonly mono: string
}

export function interfaceOptions(
  interfaces: OpOutput<'site.interfaces'>,
  chosen: string | null,
  t: (key: string) => string,
): readonly InterfaceOption[] {
  const options = interfaces.map(({ name, address, family, internal }) => ({
    value: address,
    label: `${internal ? t('start.new.loopback') : name} · ${family}`,
    mono: address,
    internal,
  }))
  options.sort((a, b) => Number(b.internal) - Number(a.internal))
  const known = options.map(({ value, label, mono }) => ({ value, label, mono }))
  if (chosen === null || known.some(({ value }) => value === chosen)) return known
  const isAny = chosen === '::' || chosen === '0.0.0.0'
  return [...known, { value: chosen, label: t(isAny ? 'site.settings.any' : 'site.settings.gone'), mono: chosen }]
}
