// The views by address, in the order of work. Views other than the first load when they are first looked at.
import { createRouter, createWebHashHistory } from 'vue-router'
import type { Router } from 'vue-router'

export function makeRouter(): Router {
  return createRouter({
    history: createWebHashHistory(),
    routes: [
      { path: '/', redirect: '/start' },
      { path: '/start', name: 'start', component: () => import('./views/start/StartView.vue') },
      { path: '/site', name: 'site', component: () => import('./views/site/SiteView.vue') },
      { path: '/devices', name: 'devices', component: () => import('./views/devices/DevicesView.vue') },
      { path: '/admit', name: 'admit', component: () => import('./views/admit/AdmitView.vue') },
      { path: '/groups', name: 'groups', component: () => import('./views/groups/GroupsView.vue') },
      { path: '/apply', name: 'apply', component: () => import('./views/apply/ApplyView.vue') },
      { path: '/test', name: 'test', component: () => import('./views/test/TestView.vue') },
      { path: '/handover', name: 'handover', component: () => import('./views/handover/HandoverView.vue') },
      { path: '/directory', name: 'directory', component: () => import('./views/directory/DirectoryView.vue') },
      { path: '/link', name: 'link', component: () => import('./views/link/LinkView.vue') },
      { path: '/walk', name: 'walk', component: () => import('./views/walk/WalkView.vue') },
      { path: '/audit', name: 'audit', component: () => import('./views/audit/AuditView.vue') },
      { path: '/trace', name: 'trace', component: () => import('./views/trace/TraceView.vue') },
      { path: '/:rest(.*)*', redirect: '/start' },
    ],
  })
}
