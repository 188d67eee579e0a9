// @ts-check
// Types only, like types.js.

/** @import { Api } from "./api.js" */
/** @import { Session } from "./session.js" */

/**
 * What the parts of the element share. `provider` is the provider's name for people, such as "HeyGen";
 * `announce` speaks to screen readers.
 * @typedef {object} Context
 * @property {Api} api
 * @property {Session} session
 * @property {ShadowRoot} root
 * @property {string} provider
 * @property {(message: string) => void} announce
 */

export {};
