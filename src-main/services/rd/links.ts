// A registration's links: the Limited Link Format they must keep to (RFC 9176 appendix C), and what a lookup shows of them (§6.1).
import { AppError } from '#main/base/index.ts'
import { parseLinkFormat, type Link, type LinkAttribute } from '#main/wire/coap/index.ts'
import { hasUriCharactersOnly, isUri, resolveReference } from './uri.ts'

/** The links of a registration's payload. Throws `rd.links-invalid` for what is no Limited Link Format. */
export function readLinks(text: string): readonly Link[] {
  try {
    const links = parseLinks(text)
    checkLinks(links)
    return links
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'link-format.invalid') {
      throw new AppError('rd.links-invalid', thrown.message, { details: thrown.details, cause: thrown })
    }
    throw thrown
  }
}

/** Parameter names know no case (RFC 8288 §3): small letters from here on. */
export function parseLinks(text: string): readonly Link[] {
  return parseLinkFormat(text).map(({ href, attributes }) => ({ href, attributes: attributes.map(withSmallName) }))
}

function withSmallName(attribute: LinkAttribute): LinkAttribute {
  const name = attribute.name.toLowerCase()
  return name === attribute.name ? attribute : { name, value: attribute.value }
}

export function checkLinks(links: readonly Link[]): void {
  for (const link of links) {
    if (!isLimitedReference(link.href)) throw invalidLink(link.href, 'A link target must be a URI or start with a single slash')
    for (const attribute of link.attributes) {
      // RFC 6690 §2 keeps `href` for queries.
      if (attribute.name === 'href') throw invalidLink(link.href, 'href cannot be a link parameter')
      // An empty anchor stands for the base itself and leaves nothing to interpret, so it is taken (RFC 9176 §5).
      const isAnchor = attribute.name === 'anchor'
      if (isAnchor && attribute.value !== '' && !isLimitedReference(attribute.value ?? 'none')) {
        throw invalidLink(link.href, 'An anchor must be a URI or start with a single slash')
      }
    }
  }
}

function isLimitedReference(reference: string): boolean {
  return hasUriCharactersOnly(reference) && (isUri(reference) || /^\/(?!\/)/.test(reference))
}

function invalidLink(href: string, message: string): AppError {
  return new AppError('rd.links-invalid', message, { details: { href: href.slice(0, 200) } })
}

/** The links as lookups show them: target and anchor resolved against the base, full URIs as they were submitted. */
export function resolveLinks(links: readonly Link[], base: string): readonly Link[] {
  return links.map(({ href, attributes }) => ({
    href: resolved(base, href),
    attributes: attributes.some((attribute) => attribute.name === 'anchor')
      ? attributes.map((one) => resolvedAnchor(base, one))
      : attributes,
  }))
}

function resolvedAnchor(base: string, attribute: LinkAttribute): LinkAttribute {
  return attribute.name === 'anchor' ? { name: 'anchor', value: resolved(base, attribute.value ?? '') } : attribute
}

function resolved(base: string, reference: string): string {
  return isUri(reference) ? reference : resolveReference(base, reference)
}
