// Dongles and the networks behind them.
import { z } from 'zod'
import { channelNoise, foundNetwork, linkPortList, linkProbe, networkDescription } from '../model.ts'
import { done, id, name, nothing } from './common.ts'

export const linkOps = {
  /** The serial ports of this computer; costs nothing, opens none. */
  'link.ports': { in: nothing, out: linkPortList },
  /** Opens a port (or `tcp://host:port`), asks what answers, closes it. Takes up to 15 s where nothing does. */
  'link.probe': {
    in: z.object({ path: z.string().trim().min(1).max(260), baudRate: z.number().int().min(1200).max(4_000_000).optional() }),
    out: linkProbe,
  },
  /** Gives the site one more dongle, which comes up by itself from now on; `key` finds it again under another path. */
  'link.add': {
    in: z.object({ path: z.string().trim().min(1).max(260), key: z.string().max(200).optional(), name: name.optional() }),
    out: z.object({ id }),
  },
  'link.remove': { in: z.object({ id }), out: done },
  /** Uses it from now on, or leaves its port free. */
  'link.open': { in: z.object({ id }), out: done },
  'link.close': { in: z.object({ id }), out: done },
  /** Tries again at once what is refused or waits. */
  'link.retry': { in: z.object({ id }), out: done },
  /** Asks the dongle for its tables, signal strengths and counters; they come by the feed. */
  'link.refresh': { in: z.object({ id }), out: done },
  /** Makes a network; what is not given is drawn at random. */
  'link.form': { in: z.object({ id, network: networkDescription }), out: done },
  /** Joins a network by its dataset (TLVs in hex) or by its description. Neither is kept or given back. */
  'link.attach': {
    in: z.union([z.object({ id, dataset: z.string().min(1).max(2000) }).strict(), z.object({ id, network: networkDescription }).strict()]),
    out: done,
  },
  /** Joins by a passphrase that the network's commissioner has let in. */
  'link.join': { in: z.object({ id, passphrase: z.string().min(6).max(32) }), out: done },
  'link.leave': { in: z.object({ id }), out: done },
  'link.scan': {
    in: z.object({ id, kind: z.enum(['networks', 'beacons', 'noise']).default('networks') }),
    out: z.object({ networks: z.array(foundNetwork), noise: z.array(channelNoise) }),
  },
  /** Stops what is being done with the network. */
  'link.cancel': { in: z.object({ id }), out: done },
} as const
