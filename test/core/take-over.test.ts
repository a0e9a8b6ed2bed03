// The first protected message after a take-over: never with a number that the old program could have used (RFC 8613 §7.2.1), but in a context that
// device and new program make together (Appendix B.2).
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { generateKeyPair, importAesKey, systemRandom, utf8 } from '#main/base/index.ts'
import { decryptWith, encryptFor, readReceiver, receiverJwk } from '#main/site/exchange/index.ts'
import {
  bringSecurity,
  createEnrolmentStore,
  createSequenceStore,
  forgetSender,
  takeSecurity,
  type DurableSequences,
  type SiteFile,
} from '#main/store/index.ts'
import { RenewalServer, UnicastContext, volatileSequences, type RenewalInput } from '#main/wire/oscore/index.ts'
import { sealerOf } from '../../src-main/core/keyring.ts'
import { Enrolments } from '../../src-main/core/security-enrolments.ts'
import { temporaryFolder, temporarySite } from '../support/site-file.ts'
import { net, text, type Net, type Node } from '../wire/oscore/harness.ts'

const KEYS = {
  masterSecret: new Uint8Array(16).fill(1),
  masterSalt: new Uint8Array(8).fill(2),
  deviceId: Uint8Array.of(0, 0, 1),
  toolId: Uint8Array.of(0x54),
}

function sequencesOf(file: SiteFile, folder: string): DurableSequences {
  const store = createSequenceStore(file.database, { random: systemRandom, anchorFile: join(folder, 'anchors.db'), siteId: 'site-1' })
  onTestFinished(() => store.close())
  return store
}

function device(network: Net): Node {
  const node = network.node('2001:db8::2')
  const { masterSecret, masterSalt, deviceId, toolId } = KEYS
  const input: RenewalInput = { name: 'tool', masterSecret, masterSalt, senderId: deviceId, recipientId: toolId }
  const sequences = volatileSequences()
  node.layer.add(new UnicastContext(input, { sequences, received: 'fresh' }))
  const renewal = new RenewalServer({ layer: node.layer, random: network.random, sequences, clock: network.clock })
  renewal.allow(input)
  node.layer.onUnknownContext(renewal)
  node.tree.add('/x', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: utf8('y') }) } })
  return node
}

test('a site that was taken over asks its devices in contexts that are new', async () => {
  const network = net()
  const lamp = device(network)
  const [first, second] = [
    sealerOf(importAesKey(systemRandom.bytes(32)), systemRandom),
    sealerOf(importAesKey(systemRandom.bytes(32)), systemRandom),
  ]
  const laptop = (file: SiteFile, sealer: typeof first, sequences: DurableSequences, at: string) => {
    const node = network.node(at)
    const store = createEnrolmentStore(file.database)
    const enrolments = new Enrolments({ store, sealer, layer: node.layer, sequences, clock: network.clock, random: network.random })
    const ask = async (): Promise<string> => {
      const security = enrolments.securityOf('device-1')
      if (security === undefined) throw new TypeError('not enrolled')
      return text((await network.clock.until(node.endpoint.request(lamp.at, { method: 'GET', path: ['x'], security }))).payload)
    }
    return { enrolments, store, ask }
  }

  const oldFile = temporarySite()
  const old = laptop(oldFile, first, sequencesOf(oldFile, temporaryFolder()), '2001:db8::1')
  old.enrolments.keep('device-1', KEYS)
  expect(await old.ask()).toBe('y')

  // By way of the bundle: encrypted to the key of the new laptop.
  const { privateKey, publicKey } = generateKeyPair('P-256')
  const jwe = await encryptFor(readReceiver(receiverJwk(publicKey).text), takeSecurity(oldFile.database, first), systemRandom)
  const newFile = temporarySite()
  bringSecurity(newFile.database, decryptWith(privateKey, jwe), second)
  forgetSender(newFile.database, 'taken-over-2')
  const sequences = sequencesOf(newFile, temporaryFolder())
  expect(sequences.isCopy).toBe(true)
  const next = laptop(newFile, second, sequences, '2001:db8::3')
  const sealedBefore = next.store.all()[0]?.sealed
  expect(await next.ask()).toBe('y')
  // What the two have made of their keys is kept: the context is another one from then on.
  expect(next.store.all()[0]?.sealed).not.toEqual(sealedBefore)
  expect(second.open(next.store.all()[0]!.sealed).length).toBeGreaterThan(second.open(sealedBefore!).length)
  expect(await next.ask()).toBe('y')
})
