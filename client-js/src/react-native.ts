/** React Native: an app is put aside and looked at again as a page is, but says so in other words.
 *
 *  ```ts
 *  import { AppState } from 'react-native'
 *  import { watchOrder } from '@paybell/client'
 *  import { appLife } from '@paybell/client/react-native'
 *
 *  watchOrder({ url, order, token, onChange, life: appLife(AppState) })
 *  ```
 *  @module */
import type { Life } from './life.ts'

/** What is used of React Native's `AppState`. */
export interface AppStateLike {
  addEventListener(type: 'change', listener: (state: any) => void): { remove(): void }
}

/** What is used of `@react-native-community/netinfo`, if the app has it. */
export interface NetInfoLike {
  addEventListener(listener: (state: any) => void): () => void
}

/** The life of an app. In the background the watch lets its connection go, since the system will cut
 *  it unheard; in the foreground it asks at once, and connects again. `inactive`, which iOS says while
 *  a dialog is before the app, changes nothing. */
export function appLife(appState: AppStateLike, netInfo?: NetInfoLike): Life {
  return (tell) => {
    const app = appState.addEventListener('change', (state) => {
      if (state === 'background') tell('hide')
      else if (state === 'active') tell('show')
    })
    let online = true
    const stopNet = netInfo?.addEventListener(({ isConnected }) => {
      const now = isConnected !== false // null: not known yet
      if (now !== online) tell((online = now) ? 'online' : 'offline')
    })
    return () => {
      app.remove()
      stopNet?.()
    }
  }
}
