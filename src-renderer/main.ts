// Starts the window.
import '@fontsource-variable/inter/wght.css'
import './styles/tokens.css'
import './styles/base.css'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { i18n } from './i18n.ts'
import { makeRouter } from './router.ts'

createApp(App).use(createPinia()).use(i18n).use(makeRouter()).mount('#app')
