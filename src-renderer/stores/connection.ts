// Whether the way to the core is there. Starts as connected: hosts tell when it is lost and when it is back.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { bridge } from '../bridge.ts'

export const useConnection = defineStore('connection', () => {
  const connected = ref(true)
  bridge.onConnection((now) => (connected.value = now))
  return { connected }
})
