// What a registration will be, before it has an id and times: from a request or from this program, and checked (RFC 9176 §5, §5.3.1).
import { AppError } from '#main/base/index.ts'
import { formatLinkFormat, type LinkAttribute } from '#main/wire/coap/index.ts'
import { checkLinks } from './links.ts'
import {
  checkAttribute,
  checkBase,
  checkLifetime,
  checkName,
  DEFAULT_LIFETIME_S,
  invalid,
  type RegistrationParameters,
} from './parameters.ts'
import type { DirectoryLimits, RegistrationInput, RegistrationRecord, RegistrationSource } from './types.ts'

export type Draft = Omit<RegistrationRecord, 'id' | 'registeredAt' | 'expiresAt'>

export function draftOfInput(input: RegistrationInput): Draft {
  checkLinks(input.links)
  return {
    endpointName: checkName('ep', input.endpointName),
    sector: checkName('d', input.sector ?? ''),
    base: checkBase(input.base),
    baseExplicit: true,
    lifetimeS: checkLifetime(input.lifetimeS ?? DEFAULT_LIFETIME_S),
    attributes: input.attributes?.map(checkAttribute) ?? [],
    links: formatLinkFormat(input.links),
    source: undefined,
  }
}

export function draftOfRequest(parameters: RegistrationParameters, links: string, source: RegistrationSource, sourceBase: string): Draft {
  return {
    endpointName: endpointNameOf(parameters),
    sector: parameters.sector ?? '',
    base: parameters.base ?? sourceBase,
    baseExplicit: parameters.base !== undefined,
    lifetimeS: parameters.lifetimeS ?? DEFAULT_LIFETIME_S,
    attributes: parameters.attributes,
    links,
    source,
  }
}

export function endpointNameOf(parameters: RegistrationParameters): string {
  if (parameters.endpointName === undefined) throw invalid('ep', 'ep is missing')
  return parameters.endpointName
}

/** A registration as an update leaves it; its times are not touched. */
export function updatedDraft(
  before: RegistrationRecord,
  parameters: RegistrationParameters,
  source: RegistrationSource,
  sourceBase: string,
): Draft {
  if (parameters.endpointName !== undefined || parameters.sector !== undefined) throw invalid('ep', 'An update cannot change ep or d')
  const given = new Set(parameters.attributes.map((attribute) => attribute.name))
  const baseExplicit = before.baseExplicit || parameters.base !== undefined
  return {
    endpointName: before.endpointName,
    sector: before.sector,
    base: parameters.base ?? (baseExplicit ? before.base : sourceBase),
    baseExplicit,
    lifetimeS: parameters.lifetimeS ?? before.lifetimeS,
    attributes: [...before.attributes.filter((attribute) => !given.has(attribute.name)), ...parameters.attributes],
    links: before.links,
    source,
  }
}

/** Throws `coap.too-large`, `rd.parameter-invalid`. */
export function checkSize(draft: Draft, linkCount: number, limits: DirectoryLimits): void {
  if (linkCount > limits.links || utf8Length(draft.links) > limits.linkBytes) {
    throw new AppError('coap.too-large', 'The registration has too many links', { details: { links: linkCount } })
  }
  checkAttributeBytes(draft.attributes, limits)
}

export function checkAttributeBytes(attributes: readonly LinkAttribute[], limits: DirectoryLimits): void {
  if (attributeBytes(attributes) > limits.attributeBytes) {
    throw new AppError('rd.parameter-invalid', 'The registration has too many parameters')
  }
}

export function attributeBytes(attributes: readonly LinkAttribute[]): number {
  return attributes.reduce((sum, { name, value }) => sum + name.length + utf8Length(value ?? '') + 4, 0)
}

/** Bytes of the text in UTF-8, without making them. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    // The two halves of a surrogate pair are four bytes.
    bytes += unit >= 0xd800 && unit <= 0xdbff ? 2 : unit >= 0xdc00 && unit <= 0xdfff ? 0 : unit < 0x800 ? 1 : 2
  }
  return bytes
}
