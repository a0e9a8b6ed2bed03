// A pledge in a network namespace, on a link of its own with the host of a join proxy: it has nothing but a link-local address.
import { spawnSync } from 'node:child_process'
import { utf8ToText } from '#main/base/index.ts'
import type { Lab } from '../support/netns.ts'
import { findPeer, run } from '../support/peers.ts'
import { vectorPath } from '../wire/dtls/pki.ts'
import { talkTo, type TalkingPeer } from './dtls-ends.ts'

/** The link's name, on both hosts. */
export const LINK = 'join0'
export const PROXY_LINK_LOCAL = 'fe80::10:1'
const PLEDGE_LINK_LOCAL = 'fe80::10:2'
export const COAP_WITH_DTLS = ['coap-client-openssl', 'coap-client-gnutls']

export const pledgeHost = `gw-${process.pid}-9`

/** A host on a link of its own with the proxy: no routable address on either side, and no route. */
export function addPledge(lab: Lab): void {
  const proxyHost = lab.hosts[0]!.namespace
  batch([], [`netns add ${pledgeHost}`])
  batch(['-n', pledgeHost], ['link set lo up', `link add ${LINK} type veth peer name ${LINK} netns ${proxyHost}`])
  for (const [host, address] of [
    [proxyHost, PROXY_LINK_LOCAL],
    [pledgeHost, PLEDGE_LINK_LOCAL],
  ] as const)
    batch(['-n', host], [`link set ${LINK} addrgenmode none`, `address add ${address}/64 dev ${LINK} nodad`, `link set ${LINK} up`])
}

export function removePledge(): void {
  spawnSync('ip', ['netns', 'del', pledgeHost])
}

function batch(before: readonly string[], lines: readonly string[]): void {
  const done = spawnSync('ip', [...before, '-batch', '-'], { input: `${lines.join('\n')}\n`, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`ip failed: ${done.stderr.trim()}`)
}

/** As the pledge itself asks, with a program that is not ours; 0 where nobody answers. */
export async function findJoinPort(query: string, attempts = 4): Promise<number> {
  const client = findPeer(COAP_WITH_DTLS)
  if (client === undefined) throw new Error('No coap-client with DTLS is installed')
  for (let attempt = 0; attempt < attempts; attempt++) {
    const uri = `coap://[ff02::fd%${LINK}]/.well-known/core?${query}`
    const { stdout } = await run('ip', ['netns', 'exec', pledgeHost, client, '-m', 'get', '-N', '-B', '8', uri], 30_000)
    const found = /brski-jp=(\d+)|\[fe80::10:1\]:(\d+)/.exec(utf8ToText(stdout) ?? '')
    if (found !== null) return Number(found[1] ?? found[2])
  }
  return 0
}

/** OpenSSL's client through the proxy; `trust`: who may vouch for the registrar. */
export function connectThere(
  openssl: string,
  port: number,
  credential: 'client' | 'foreign',
  { args = [], trust = vectorPath('root.cert.pem') }: { readonly args?: readonly string[]; readonly trust?: string } = {},
): TalkingPeer {
  const chain = credential === 'foreign' ? [] : ['-cert_chain', vectorPath('issuing.cert.pem')]
  return talkTo('ip', [
    ...['netns', 'exec', pledgeHost, openssl, 's_client', '-dtls1_2', '-nbio', '-brief'],
    ...['-connect', `[${PROXY_LINK_LOCAL}%${LINK}]:${port}`, '-cipher', 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0'],
    ...['-CAfile', trust, '-verify_return_error'],
    ...['-cert', vectorPath(`${credential}.cert.pem`), '-key', vectorPath(`${credential}.key.pem`), ...chain, ...args],
  ])
}
