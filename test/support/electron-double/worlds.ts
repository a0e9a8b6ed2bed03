// The two scripts of a window's page. The preload runs in an isolated world, as in Electron: it shares the document with the
// page's own world, not its objects. Between the worlds go JSON texts in synchronous DOM events, as contextBridge copies values.

/** Name of the isolated world, and of the binding that only it has. */
export const PRELOAD_WORLD = 'electron-preload'
export const BINDING = 'electronDoubleSend'
export const RECEIVE = 'electronDoubleReceive'

/** In the page's own world: objects that call over to the preload. */
export const mainWorldScript = `(() => {
  if (window.top !== window) return
  const callbacks = new Map(), pending = new Map()
  let serial = 0
  const ask = (message) => {
    let answer
    const take = (event) => { answer = JSON.parse(event.detail) }
    document.addEventListener('double:answer', take, { once: true })
    document.dispatchEvent(new CustomEvent('double:call', { detail: JSON.stringify(message) }))
    document.removeEventListener('double:answer', take)
    return answer
  }
  const encode = (value) => {
    if (typeof value !== 'function') return { value }
    callbacks.set(++serial, value)
    return { callback: serial }
  }
  const decode = (answer) => {
    if (answer.error !== undefined) throw new Error(answer.error)
    if (answer.fn !== undefined) return (...args) => decode(ask({ fn: answer.fn, args: args.map(encode) }))
    if (answer.promise !== undefined) return new Promise((resolve, reject) => pending.set(answer.promise, { resolve, reject }))
    return answer.value
  }
  document.addEventListener('double:settle', (event) => {
    const { promise, value, error } = JSON.parse(event.detail)
    const { resolve, reject } = pending.get(promise)
    pending.delete(promise)
    if (error === undefined) resolve(value)
    else reject(new Error(error))
  })
  document.addEventListener('double:callback', (event) => {
    const { callback, args } = JSON.parse(event.detail)
    callbacks.get(callback)(...args)
  })
  document.addEventListener('double:expose', (event) => {
    const { key, methods } = JSON.parse(event.detail)
    const exposed = Object.fromEntries(methods.map((method) => [method, (...args) => decode(ask({ key, method, args: args.map(encode) }))]))
    Object.defineProperty(window, key, { value: Object.freeze(exposed), enumerable: true })
  })
  document.dispatchEvent(new CustomEvent('double:ready'))
})()`

/** In the isolated world: `require('electron')` as a sandboxed preload has it, and the preload itself. */
export function preloadWorldScript(preload: string): string {
  return `(() => {
  if (window.top !== window) return
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail: JSON.stringify(detail) }))
  const exposed = {}, functions = new Map(), invocations = new Map(), listeners = new Map()
  let serial = 0
  const decode = (arg) => (arg.callback === undefined ? arg.value : (...args) => tell('double:callback', { callback: arg.callback, args }))
  const encode = (value) => {
    if (typeof value === 'function') {
      functions.set(++serial, value)
      return { fn: serial }
    }
    if (value instanceof Promise) {
      const promise = ++serial
      value.then((settled) => tell('double:settle', { promise, value: settled }), (error) => tell('double:settle', { promise, error: String(error) }))
      return { promise }
    }
    return { value }
  }
  document.addEventListener('double:call', (event) => {
    const { key, method, fn, args } = JSON.parse(event.detail)
    let answer
    try {
      const target = fn === undefined ? exposed[key][method] : functions.get(fn)
      answer = encode(target(...args.map(decode)))
    } catch (error) {
      answer = { error: String(error) }
    }
    tell('double:answer', answer)
  })
  const announce = () => {
    for (const [key, api] of Object.entries(exposed)) tell('double:expose', { key, methods: Object.keys(api) })
  }
  const post = (message) => ${BINDING}(JSON.stringify(message))
  const electron = {
    contextBridge: { exposeInMainWorld: (key, api) => { exposed[key] = api } },
    ipcRenderer: {
      invoke: (channel, ...args) => new Promise((resolve, reject) => {
        invocations.set(++serial, { resolve, reject })
        post({ kind: 'invoke', id: serial, channel, args })
      }),
      send: (channel, ...args) => post({ kind: 'send', channel, args }),
      on: (channel, listener) => listeners.set(channel, [...(listeners.get(channel) ?? []), listener]),
    },
  }
  globalThis.${RECEIVE} = (message) => {
    if (message.kind === 'event') {
      for (const listener of listeners.get(message.channel) ?? []) listener({}, ...message.args)
      return
    }
    const { resolve, reject } = invocations.get(message.id)
    invocations.delete(message.id)
    if (message.error === undefined) resolve(message.value)
    else reject(new Error(message.error))
  }
  const module = { exports: {} }
  const require = (name) => {
    if (name !== 'electron') throw new Error('a sandboxed preload cannot require ' + name)
    return electron
  }
  ;(function (require, module, exports) {
${preload}
  })(require, module, module.exports)
  // Whichever world's script runs first, the exposure arrives before the page's own scripts run.
  document.addEventListener('double:ready', announce)
  announce()
})()`
}
