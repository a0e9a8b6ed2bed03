// A mesh of OpenThread's simulation: `ot-ncp-ftd` behind a pseudo terminal as the dongle, `ot-cli-ftd` as the devices. Loopback only.
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatIpv6, parseIpv6 } from '#main/wire/ip/index.ts'

/** What a node says in answer to a command: the lines before `Done`; throws with its `Error` line. Undefined while it is not at its end. */
export function answerIn(said: string): readonly string[] | undefined {
  const lines = said.split('\n').map((line) => line.replace(/^(> )+/, '').trim())
  const failed = lines.find((line) => /^Error \d+:/.test(line))
  if (failed !== undefined) throw new Error(failed)
  const end = lines.indexOf('Done')
  return end < 0 ? undefined : lines.slice(0, end).filter((line) => line !== '' && line !== '>')
}

/** Nodes write addresses with all their zeros. */
function canonical(line: string): readonly string[] {
  const bytes = parseIpv6(line)
  return bytes === undefined ? [] : [formatIpv6(bytes)]
}

async function until<Value>(what: string, limitMs: number, look: () => Value | undefined | Promise<Value | undefined>): Promise<Value> {
  const endMs = Date.now() + limitMs
  while (Date.now() < endMs) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(20)
  }
  throw new Error(`${what}: not within ${limitMs} ms`)
}

export class CliNode {
  readonly number: number
  readonly #child: ChildProcess
  #said = ''

  constructor(program: string, number: number, folder: string, environment: NodeJS.ProcessEnv) {
    this.number = number
    this.#child = spawn(program, [String(number)], { cwd: folder, env: environment, stdio: ['pipe', 'pipe', 'ignore'] })
    this.#child.stdout?.on('data', (bytes: Uint8Array) => {
      this.#said += new TextDecoder().decode(bytes)
    })
  }

  /** All that it has said since the last command. */
  get said(): string {
    return this.#said
  }

  async ask(command: string, limitMs = 10_000): Promise<readonly string[]> {
    this.#said = ''
    this.#child.stdin?.write(`${command}\n`)
    const answer = await until(`node ${this.number}: ${command}`, limitMs, () => answerIn(this.#said))
    return answer.filter((line) => line !== command)
  }

  /** Resolves when it has said so since the last command. */
  async hears(words: RegExp, limitMs = 10_000): Promise<string> {
    return until(`node ${this.number} hears ${String(words)}, but: ${this.#said}`, limitMs, () => words.exec(this.#said)?.[0])
  }

  async join(tlvs: string, roles = /^(child|router)$/): Promise<void> {
    await this.ask(`dataset set active ${tlvs}`)
    await this.ask('ifconfig up')
    await this.attach(roles)
  }

  async attach(roles = /^(child|router)$/): Promise<void> {
    await this.ask('thread start')
    await until(`node ${this.number} attaches`, 30_000, async () => {
      const [state] = await this.ask('state')
      return state !== undefined && roles.test(state) ? state : undefined
    })
  }

  async address(kind: 'mleid' | 'linklocal'): Promise<string> {
    const [address] = (await this.ask(`ipaddr ${kind}`)).flatMap(canonical)
    if (address === undefined) throw new Error(`node ${this.number} has no ${kind}`)
    return address
  }

  async addresses(): Promise<readonly string[]> {
    return (await this.ask('ipaddr')).flatMap(canonical)
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

export class OpenThreadMesh {
  /** The dongle's port. */
  readonly path: string
  readonly folder: string
  readonly #programs: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #nodes: CliNode[] = []
  #dongle: ChildProcess | undefined

  private constructor(programs: string, folder: string) {
    this.#programs = programs
    this.folder = folder
    this.path = join(folder, 'dongle')
    // Keeps meshes of several runs on one computer apart.
    this.#environment = { ...process.env, PORT_OFFSET: String(process.pid % 200) }
  }

  static async create(programs: string): Promise<OpenThreadMesh> {
    for (const program of ['ot-ncp-ftd', 'ot-cli-ftd']) accessSync(join(programs, program), constants.X_OK)
    return new OpenThreadMesh(programs, await mkdtemp(join(tmpdir(), 'openthread-')))
  }

  /** Plugs the dongle in; what its flash holds stays over unplugging. */
  async plug(): Promise<void> {
    const program = join(this.#programs, 'ot-ncp-ftd')
    this.#dongle = spawn('socat', [`PTY,link=${this.path},raw,echo=0,wait-slave`, `EXEC:${program} 1`], {
      cwd: this.folder,
      env: this.#environment,
      stdio: 'ignore',
    })
    await until('the pseudo terminal', 5_000, () => (existsSync(this.path) ? true : undefined))
  }

  async unplug(): Promise<void> {
    const dongle = this.#dongle
    if (dongle === undefined) return
    const gone = new Promise((resolve) => dongle.once('exit', resolve))
    dongle.kill('SIGTERM')
    await gone
    await rm(this.path, { force: true })
  }

  addNode(): CliNode {
    const node = new CliNode(join(this.#programs, 'ot-cli-ftd'), this.#nodes.length + 2, this.folder, this.#environment)
    this.#nodes.push(node)
    return node
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) node.stop()
    await this.unplug()
    await rm(this.folder, { recursive: true, force: true })
  }
}
