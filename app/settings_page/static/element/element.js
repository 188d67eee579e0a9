// @ts-check
// <ai-avatar-settings>: connects a business with its AI-avatar provider and makes videos.
// Attributes, properties, events and ways to provide a token: docs/settings-page.md.
import { adopt } from "../lib/dom.js";
import { Session, TokenEvent } from "../lib/session.js";
import sheet from "./element.css.js";
import { View } from "./view.js";

/** @import { EventDetails, GetAccessToken, Token, TokenReason } from "../lib/types.js" */

const SERVICE = import.meta.url.replace(/settings\/static\/.*/, "");
const PROPERTIES = ["apiBase", "businessId", "provider", "contentId", "view", "strings", "accessToken", "getAccessToken"];

/**
 * @fires access-token-request - `CustomEvent<AccessTokenRequestDetail>`
 * @fires ai-avatar-change - `CustomEvent<ChangeDetail>`
 * @fires ai-avatar-error - `CustomEvent<ErrorDetail>`
 */
export class AiAvatarSettings extends HTMLElement {
	static observedAttributes = ["api-base", "business-id", "provider", "content-id", "view", "lang"];

	/** Register the element, unless the name is taken: a page may load the script twice. */
	static define(name = "ai-avatar-settings") {
		if (!customElements.get(name)) customElements.define(name, this);
	}

	#root = this.attachShadow({ mode: "open" });
	#session = new Session((reason) => this.#requestToken(reason));
	/** @type {GetAccessToken | null} */
	#getAccessToken = null;
	/** @type {Record<string, unknown> | null} */
	#strings = null;
	/** @type {View | null} */
	#shown = null;
	#scheduled = false;

	constructor() {
		super();
		adopt(this.#root, sheet);
		this.#session.addEventListener("token", (event) => {
			// One user's data is never shown to another.
			if (event instanceof TokenEvent && event.otherUser && this.isConnected) this.#start();
		});
	}

	/** The service's URL; null resets it to the origin of this script. @returns {string} */
	get apiBase() { return new URL(this.getAttribute("api-base") || SERVICE, document.baseURI).href; }
	/** @param {string | null} url */
	set apiBase(url) { this.#reflect("api-base", url); }

	/** The business; null for the signed-in user's own. @returns {string | null} */
	get businessId() { return this.getAttribute("business-id") || null; }
	/** @param {string | null} id */
	set businessId(id) { this.#reflect("business-id", id); }

	/** The provider that is shown; set it to show no other one. @returns {string} */
	get provider() { return this.getAttribute("provider") || this.#shown?.provider || "heygen"; }
	/** @param {string | null} provider */
	set provider(provider) { this.#reflect("provider", provider); }

	/** The only content item to show; null for all. @returns {string | null} */
	get contentId() { return this.getAttribute("content-id") || null; }
	/** @param {string | null} id */
	set contentId(id) { this.#reflect("content-id", id); }

	/** `settings` or `videos`; null for both. @returns {string | null} */
	get view() { return this.getAttribute("view") || null; }
	/** @param {string | null} view */
	set view(view) { this.#reflect("view", view); }

	/** The host's words in the place of ours, by section and name. @returns {Record<string, unknown> | null} */
	get strings() { return this.#strings; }
	/** @param {Record<string, unknown> | null} strings */
	set strings(strings) {
		this.#strings = strings;
		if (this.isConnected) this.#scheduleStart();
	}

	/** Write-only: the signed-in user's access token. Set it again whenever it changes. @param {string | null} token */
	set accessToken(token) { this.#session.set(token); }

	/** Called when a token is needed. @returns {GetAccessToken | null} */
	get getAccessToken() { return this.#getAccessToken; }
	/** @param {GetAccessToken | null} callback */
	set getAccessToken(callback) {
		this.#getAccessToken = callback;
		if (callback && this.#shown) this.#session.again();
	}

	connectedCallback() {
		// Properties that a host set before this script was loaded are on the instance and hide the accessors.
		const own = /** @type {Record<string, any>} */ (/** @type {unknown} */ (this));
		for (const name of PROPERTIES) {
			if (!Object.hasOwn(own, name)) continue;
			const value = own[name];
			delete own[name];
			own[name] = value;
		}
		this.#scheduleStart();
	}

	disconnectedCallback() {
		this.#shown?.stop();
	}

	/** @param {string} _name @param {string | null} before @param {string | null} after */
	attributeChangedCallback(_name, before, after) {
		if (before !== after && this.isConnected) this.#scheduleStart();
	}

	/** @param {string} attribute @param {string | null | undefined} value */
	#reflect(attribute, value) {
		if (value === null || value === undefined) this.removeAttribute(attribute);
		else this.setAttribute(attribute, value);
	}

	/** Frameworks set attributes and properties one by one: start after the last one. */
	#scheduleStart() {
		if (this.#scheduled) return;
		this.#scheduled = true;
		queueMicrotask(() => {
			this.#scheduled = false;
			if (this.isConnected) this.#start();
		});
	}

	#start() {
		this.#shown?.stop();
		this.#shown = new View(this.#root, this.#session, {
			base: this.apiBase,
			businessId: this.businessId,
			provider: this.getAttribute("provider") || null,
			contentId: this.contentId,
			part: this.view,
			lang: this.getAttribute("lang"),
			strings: this.#strings,
			emit: (type, detail) => this.#emit(type, detail),
		});
		this.#shown.load();
	}

	/** @param {TokenReason} reason */
	async #requestToken(reason) {
		if (this.#getAccessToken) return (await this.#getAccessToken({ reason })) ?? null;
		/** @type {Token | Promise<Token>} */
		let token = null;
		this.#emit("access-token-request", { reason, respondWith: (response) => { token = response; } });
		return (await token) ?? null;
	}

	/** @template {keyof EventDetails} Type @param {Type} type @param {EventDetails[Type]} detail */
	#emit(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
	}
}
