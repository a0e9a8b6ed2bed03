// Property tests draw the same cases in each run, so that a failure belongs to the change that shows it. `GROUPWRIGHT_SEED=fresh` draws
// others each time, a number draws those of that number.
import fc from 'fast-check'

const wish = process.env.GROUPWRIGHT_SEED ?? '20261120'

if (wish !== 'fresh') fc.configureGlobal({ seed: Number.parseInt(wish, 10) })
