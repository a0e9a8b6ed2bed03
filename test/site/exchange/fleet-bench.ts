// Signers, receivers and sites for the tests of bundles and fleets.
import fc from 'fast-check'
import { seededRandom, signAs, type SigningAlgorithm } from '#main/base/index.ts'
import { extensionOf } from '#main/services/ra/index.ts'
import { collectSite, DOCUMENT_SIGNING, type Packing, type Signer, type SiteDocument } from '#main/site/exchange/index.ts'
import type { BundleDocument } from '#main/site/exchange/bundle/document.ts'
import { makeParty, type Party } from '../../masa/pki.ts'
import { randomSite } from './sites.ts'

export const NOW = Date.UTC(2026, 10, 20, 9, 30)

export interface TestSigner extends Signer {
  readonly root: Party
  readonly leaf: Party
}

const ALGORITHMS = { 'P-256': 'ES256', 'P-384': 'ES384', Ed25519: 'EdDSA' } as const

export function makeSigner(
  algorithm: SigningAlgorithm = 'P-256',
  root = makeParty({ name: 'CN=Site CA', isAuthority: true }),
  purposes = [DOCUMENT_SIGNING],
): TestSigner {
  const leaf = makeParty({ name: 'CN=Hand-over', issuer: root, algorithm, extensions: [extensionOf.extendedKeyUsage(purposes)] })
  return {
    algorithm: ALGORITHMS[algorithm],
    certificateChain: leaf.chain,
    sign: (message) => Promise.resolve(signAs(leaf.key, message)),
    root,
    leaf,
  }
}

/** A site with devices, groups and memberships. */
export function sampleDocument(seed = 5): SiteDocument {
  const documents = randomSite
    .map(({ facts, devices, groups, security }) => collectSite(facts, devices, groups, security))
    .filter(({ devices, applicationGroups, memberships }) => devices.length > 2 && applicationGroups.length > 1 && memberships.length > 1)
  return structuredClone(fc.sample(documents, { numRuns: 1, seed })[0]!)
}

export function bundleOf(site: SiteDocument, change: Partial<BundleDocument> = {}): BundleDocument {
  const writer = { epoch: 1, holder: 'office', since: '2026-01-05T08:00:00.000Z' }
  return { format: 'groupwright-bundle', version: 1, revision: 17, writer, site, secrets: null, ...change }
}

export function testPacking(signer: Signer = makeSigner(), change: Partial<Packing> = {}): Packing {
  return {
    signer: () => Promise.resolve(signer),
    writer: () => ({ epoch: 3, holder: 'office', since: NOW }),
    secrets: () => seededRandom(4).bytes(200),
    secretsMark: () => 'unchanged',
    groupActions: () => [{ id: 'on', title: 'On', method: 'PUT', path: '/gp/light/state', contentType: 'application/json' }],
    ...change,
  }
}
