// Works on a site's apply job until it is done or killed: node apply-child.ts HOME SITE
import { testProgram } from '../support/program.ts'

const [home = '', site = ''] = process.argv.slice(2)
const { program, session } = testProgram(home)
await program.openSiteFile(site)
if (!session.rows('jobs').some((job) => job.kind === 'apply')) await session.call('apply.start', {})
console.log('working')
await session.when('jobs', (job) => job.kind === 'apply' && job.state === 'done')
console.log('done')
await program.close()
