// Links by which devices find the security group of their application group in a Resource Directory (draft-tiloca-core-oscore-discovery, an
// individual draft: its attributes are registered nowhere, and nothing here depends on anybody understanding them).
import type { Link, LinkAttribute } from '#main/wire/coap/index.ts'
import { ecdhParams, signParams } from './configuration.ts'
import type { PublishedGroup } from './types.ts'

/**
 * Links to the group-membership resources, and where an authorisation server is named, from each to that. `baseUri` has no path.
 */
export function securityGroupLinks(groups: readonly PublishedGroup[], baseUri: string, asUri?: string): readonly Link[] {
  return groups.flatMap((group) => {
    const membership: Link = { href: group.path, attributes: attributesOf(group) }
    if (asUri === undefined) return [membership]
    const server: Link = {
      href: asUri,
      attributes: [
        { name: 'rel', value: 'authorization-server' },
        { name: 'anchor', value: `${baseUri}${group.path}` },
      ],
    }
    return [membership, server]
  })
}

function attributesOf({ name, configuration }: PublishedGroup): readonly LinkAttribute[] {
  const { groupMode, pairwiseMode } = configuration
  const sign = signParams(configuration)[1]
  const ecdh = ecdhParams(configuration)[1]
  const numbers: ReadonlyArray<readonly [string, number | undefined]> = [
    ['hkdf', configuration.hkdf],
    ['cred_fmt', configuration.credentialFormat],
    ['gp_enc_alg', groupMode?.encryption],
    ['sign_alg', groupMode?.signature],
    ['sign_alg_crv', groupMode === undefined ? undefined : sign[1]],
    ['sign_key_kty', groupMode === undefined ? undefined : sign[0]],
    ['sign_key_crv', groupMode === undefined ? undefined : sign[1]],
    ['alg', pairwiseMode?.aead],
    ['ecdh_alg', pairwiseMode?.keyAgreement],
    ['ecdh_alg_crv', pairwiseMode === undefined ? undefined : ecdh[1]],
    ['ecdh_key_kty', pairwiseMode === undefined ? undefined : ecdh[0]],
    ['ecdh_key_crv', pairwiseMode === undefined ? undefined : ecdh[1]],
  ]
  return [
    { name: 'ct', value: '261' },
    { name: 'rt', value: 'core.osc.gm' },
    { name: 'if', value: 'ace.group' },
    { name: 'sec-gp', value: name },
    ...configuration.applicationGroups.map((group) => ({ name: 'app-gp', value: group })),
    ...numbers.flatMap(([attribute, value]) => (value === undefined ? [] : [{ name: attribute, value: String(value) }])),
  ]
}
