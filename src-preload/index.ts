// The bridge of the Electron window: ops by invoke, feeds by messages with subscription ids. Runs sandboxed and isolated.
import { contextBridge, ipcRenderer } from 'electron'
import type { Bridge } from './contract/bridge.ts'

const listeners = new Map<number, (message: never) => void>()
let lastId = 0

ipcRenderer.on('groupwright:feed', (_event, id: number, message: unknown) => {
  try {
    listeners.get(id)?.(message as never)
  } finally {
    // Only then the main process sends more: a window that does not keep up is not buried.
    ipcRenderer.send('groupwright:acknowledge', id)
  }
})

const bridge: Bridge = {
  call: (name, input) => ipcRenderer.invoke('groupwright:call', name, input) as ReturnType<Bridge['call']> as never,
  subscribe(feed, listener) {
    const id = (lastId += 1)
    listeners.set(id, listener)
    ipcRenderer.send('groupwright:subscribe', id, feed)
    return () => {
      if (listeners.delete(id)) ipcRenderer.send('groupwright:unsubscribe', id)
    }
  },
  // The main process lives as long as its window: the way to the core is never lost.
  onConnection: () => () => undefined,
}

contextBridge.exposeInMainWorld('groupwright', bridge)
