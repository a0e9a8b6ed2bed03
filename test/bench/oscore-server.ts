// Our end as a server in a process of its own: node oscore-server.ts SPEC.json. Says its port.
import { readFileSync } from 'node:fs'
import { endOf, type PeerSpec } from '../interop/oscore-ends.ts'

const end = await endOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as PeerSpec, 'server')
console.log(end.at.port)
setInterval(() => undefined, 60_000)
