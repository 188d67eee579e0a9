// @ts-check
// <ai-avatar-settings>: connects a business with its AI-avatar provider and makes videos.
// Attributes, properties, events and ways to provide a token: docs/settings-page.md.
import { Api } from "../lib/api.js";
import { button, h, notice } from "../lib/dom.js";
import { toFailure } from "../lib/explain.js";
import { Session, TokenEvent } from "../lib/session.js";
import { providerName, strings } from "../lib/strings.js";
import { adopt } from "../lib/styles.js";
import sheet from "./element.css.js";
import { SettingsCard } from "../settings/settings-card.js";
import { GenerateCard } from "../videos/generate-card.js";

/** @import { Card } from "../lib/card.js" */
/** @import { EventDetails, GetAccessToken, Token, TokenReason } from "../lib/types.js" */
const SERVICE = import.meta.url.replace(/settings\/static\/.*/, "");

/**
 * @fires access-token-request - `CustomEvent<AccessTokenRequestDetail>`
 * @fires ai-avatar-change - `CustomEvent<ChangeDetail>`
 */
export class AiAvatarSettings extends HTMLElement {
	static observedAttributes = ["api-base", "business-id", "provider"];

	/** Register the element, unless the name is taken: a page may load the script twice. */
	static define(name = "ai-avatar-settings") {
		if (!customElements.get(name)) customElements.define(name, this);
	}

	#root = this.attachShadow({ mode: "open" });
	#session = new Session((reason) => this.#requestToken(reason));
	/** @type {GetAccessToken | null} */
	#getAccessToken = null;
	/** @type {View | null} */
	#view = null;
	#scheduled = false;
	#loads = 0;

	constructor() {
		super();
		adopt(this.#root, sheet);
		this.#session.addEventListener("token", (event) => {
			if (event instanceof TokenEvent) this.#onToken(event.otherUser);
		});
		this.#session.addEventListener("expired", () => this.#showBanner("expired"));
	}

	/** The service's URL; null resets it to the origin of this script. @returns {string} */
	get apiBase() { return new URL(this.getAttribute("api-base") || SERVICE, document.baseURI).href; }
	/** @param {string | null} url */
	set apiBase(url) { this.#reflect("api-base", url); }

	/** The business; null for the signed-in user's own. @returns {string | null} */
	get businessId() { return this.getAttribute("business-id") || null; }
	/** @param {string | null} id */
	set businessId(id) { this.#reflect("business-id", id); }

	/** The provider's key, such as `heygen`. @returns {string} */
	get provider() { return this.getAttribute("provider") || "heygen"; }
	/** @param {string | null} provider */
	set provider(provider) { this.#reflect("provider", provider); }

	/** Write-only: the signed-in user's access token. Set it again whenever it changes. @param {string | null} token */
	set accessToken(token) { this.#session.set(token); }

	/** Called when a token is needed. @returns {GetAccessToken | null} */
	get getAccessToken() { return this.#getAccessToken; }
	/** @param {GetAccessToken | null} callback */
	set getAccessToken(callback) {
		this.#getAccessToken = callback;
		if (callback && this.#view && !this.#view.banner.hidden) this.#retry();
	}

	connectedCallback() {
		// Properties that a host set before this script was loaded are on the instance and hide the accessors.
		const own = /** @type {Record<string, any>} */ (/** @type {unknown} */ (this));
		for (const name of ["apiBase", "businessId", "provider", "accessToken", "getAccessToken"]) {
			if (!Object.hasOwn(own, name)) continue;
			const value = own[name];
			delete own[name];
			own[name] = value;
		}
		this.#scheduleStart();
	}

	disconnectedCallback() {
		this.#view?.stop();
		this.#loads += 1;
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
		this.#view?.stop();
		const { apiBase: base, businessId, provider } = this;
		const api = new Api(this.#session, { base, businessId, provider });
		const view = new View(this.#root, this.#session, api, (detail) => this.#emit("ai-avatar-change", detail));
		this.#view = view;
		addEventListener("offline", () => this.#showBanner("offline"), { signal: view.signal });
		addEventListener("online", () => this.#retry(), { signal: view.signal });
		this.#load(view);
		if (!navigator.onLine) this.#showBanner("offline");
	}

	/** @param {View} view */
	async #load(view) {
		this.#loads += 1;
		const load = this.#loads;
		const { api, settings, videos } = view;
		settings.showLoading();
		videos.showLoading();
		const [integration, page] = await Promise.allSettled([api.integration(), api.videos()]);
		if (load !== this.#loads) return;
		if (integration.status === "fulfilled") settings.show(integration.value);
		else this.#showLoadError(view, settings, integration.reason);
		if (page.status === "fulfilled") videos.show(page.value);
		else this.#showLoadError(view, videos, page.reason);
		videos.setIntegration(settings.integration);
	}

	/** The banner reports an expired session. @param {View} view @param {Card} card @param {unknown} error */
	#showLoadError(view, card, error) {
		if (toFailure(error).code !== "session_expired") card.showLoadError(error, () => this.#load(view));
	}

	/** @param {TokenReason} reason */
	async #requestToken(reason) {
		if (this.#getAccessToken) return (await this.#getAccessToken({ reason })) ?? null;
		/** @type {Token | Promise<Token>} */
		let token = null;
		this.#emit("access-token-request", { reason, respondWith: (response) => { token = response; } });
		return (await token) ?? null;
	}

	/** @param {boolean} otherUser */
	#onToken(otherUser) {
		if (!this.isConnected || !this.#view) return;
		if (otherUser) this.#start(); // one user's data is never shown to another
		else if (!this.#view.banner.hidden) this.#retry();
	}

	/** @param {"expired" | "offline"} kind */
	#showBanner(kind) {
		if (!this.#view) return;
		const actions = kind === "expired" ? [button(strings.banner.expiredRetry, () => this.#retry())] : [];
		this.#view.banner.replaceChildren(notice("warn", strings.banner[kind], ...actions));
		this.#view.banner.hidden = false;
	}

	#retry() {
		if (!this.#view) return;
		this.#view.banner.hidden = true;
		this.#view.banner.replaceChildren();
		this.#load(this.#view);
	}

	/** @template {keyof EventDetails} Type @param {Type} type @param {EventDetails[Type]} detail */
	#emit(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
	}
}

/** What the element shows for one user, business and provider. */
class View {
	#controller = new AbortController();

	/**
	 * @param {ShadowRoot} root
	 * @param {Session} session
	 * @param {Api} api
	 * @param {(detail: EventDetails["ai-avatar-change"]) => void} onchange
	 */
	constructor(root, session, api, onchange) {
		const live = h("div", { class: "sr", "aria-live": "polite" });
		/** @param {string} message */
		const announce = (message) => { live.textContent = message; };
		const context = { api, session, root, provider: providerName(api.provider), announce };
		this.api = api;
		this.banner = h("div", { class: "banner", role: "alert", hidden: true });
		this.settings = new SettingsCard({ ...context, onchange: (integration) => {
			this.videos.setIntegration(integration);
			onchange({ kind: "integration", integration });
		} });
		this.videos = new GenerateCard({ ...context, onchange: (generation) => onchange({ kind: "generation", generation }) });
		root.replaceChildren(h("div", { class: "stack", part: "stack" },
			this.banner, this.settings.element, this.videos.element, live));
	}

	get signal() { return this.#controller.signal; }

	stop() {
		this.#controller.abort();
		this.settings.stop();
		this.videos.stop();
	}
}
