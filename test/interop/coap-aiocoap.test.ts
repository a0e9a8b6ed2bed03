// Our endpoint against aiocoap, both directions. GROUPWRIGHT_AIOCOAP_PYTHON names an interpreter that has it.
import { join } from 'node:path'
import { describeWithPeer, run, startReady } from '../support/peers.ts'
import { text } from './our-server.ts'
import { casesOfTheirClient, casesOfTheirServer } from './peer-cases.ts'

const PYTHON = [process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? 'a Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']
const CLIENT = ['-m', 'aiocoap.cli.client', '--no-pretty-print', '--no-color']

describeWithPeer('aiocoap client against our server', PYTHON, (python) =>
  casesOfTheirClient({
    cancels: false,
    ask: async (method, target, bodyFile) => {
      const body = bodyFile === undefined ? [] : ['--payload', `@${bodyFile}`]
      const { stdout, stderr } = await run(python, [...CLIENT, '-m', method, ...body, target], 60_000)
      // It ends text that lacks a line feed with one.
      const ended = stdout.at(-1) === 10
      return { code: /^([245]\.\d\d)\b/m.exec(stderr)?.[1] ?? '', payload: ended ? stdout.slice(0, -1) : stdout }
    },
    observe: async (target, count) => {
      const { stdout } = await run(python, [join(import.meta.dirname, 'aiocoap/observe.py'), target, String(count)], 30_000)
      return text(stdout).trim().split('\n')
    },
  }),
)

describeWithPeer('our client against aiocoap server', PYTHON, (python) =>
  casesOfTheirServer((address, port) => startReady(python, [join(import.meta.dirname, 'aiocoap/server.py'), address, String(port)])),
)
