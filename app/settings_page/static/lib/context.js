// @ts-check
// Types only, like types.js.

/** @import { Api } from "./api.js" */
/** @import { Failure } from "./failure.js" */
/** @import { Outages } from "./outages.js" */
/** @import { Session } from "./session.js" */
/** @import { Sync } from "./sync.js" */
/** @import { Text } from "./text.js" */

/**
 * What the parts of the element share.
 * @typedef {object} Context
 * @property {Api} api
 * @property {Session} session
 * @property {Outages} outages
 * @property {Sync} sync
 * @property {Text} text
 * @property {ShadowRoot} root
 * @property {AbortSignal} signal aborts when the element shows another user, business or language, or is removed
 * @property {(message: string) => void} announce speaks to screen readers
 * @property {(failure: Failure) => void} report tells the host of a failure
 */

export {};
