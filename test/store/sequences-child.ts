// A process that sends without end: prints each number that it would use, and is killed.
import { writeSync } from 'node:fs'
import { systemRandom } from '#main/base/index.ts'
import { createSequenceStore, openSiteFile } from '#main/store/index.ts'
import { SenderSequence } from '../../src-main/wire/oscore/sender-sequence.ts'
import { storePorts } from '../support/site-file.ts'

const [path = '', anchorFile = ''] = process.argv.slice(2)
const site = openSiteFile(path, storePorts())
const store = createSequenceStore(site.database, { random: systemRandom, anchorFile, siteId: 'site-1' })
store.establish('context')
const sequence = new SenderSequence(store, 'context')
writeSync(1, 'ready\n')
for (;;) writeSync(1, `${sequence.take()}\n`)
