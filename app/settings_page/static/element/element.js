// <ai-avatar-settings>: connects a business with its AI-avatar provider and makes videos.
// Its attributes, its ways to get a token and its events: docs/settings-page.md.
import { Api } from "../lib/api.js";
import { button, h, notice } from "../lib/dom.js";
import { GenerateCard } from "../videos/generate-card.js";
import { Session } from "../lib/session.js";
import { SettingsCard } from "../settings/settings-card.js";
import { providerName, strings } from "../lib/strings.js";
import { adopt, load } from "../lib/styles.js";

const sheet = await load(new URL("element.css", import.meta.url));
const SERVICE = new URL("../../..", import.meta.url).href;

export class AiAvatarSettings extends HTMLElement {
	static observedAttributes = ["api-base", "business-id", "provider"];

	#root = this.attachShadow({ mode: "open" });
	#session = new Session((reason) => this.#ask(reason));
	#getAccessToken = null;
	#leaving = null;
	#planned = false;
	#loads = 0;

	constructor() {
		super();
		adopt(this.#root, sheet);
		this.#session.addEventListener("token", (event) => this.#signedIn(event.detail.otherUser));
		this.#session.addEventListener("expired", () => this.#showBanner("expired"));
	}

	/** Write-only: the signed-in user's access token. Set it again whenever it changes. */
	set accessToken(token) { this.#session.set(token); }

	/** Asked for a token when one is needed: `({reason}) => token or a promise of one`. */
	get getAccessToken() { return this.#getAccessToken; }
	set getAccessToken(ask) {
		this.#getAccessToken = ask;
		if (this.banner && !this.banner.hidden && ask) this.#again();
	}

	connectedCallback() {
		// Properties that a host set before this file was loaded lie on the instance and hide the setters.
		for (const name of ["accessToken", "getAccessToken"]) {
			if (!Object.hasOwn(this, name)) continue;
			const value = this[name];
			delete this[name];
			this[name] = value;
		}
		this.#plan();
	}

	disconnectedCallback() {
		this.#leaving?.abort();
		this.generate?.stop();
		this.settings?.stop();
		this.#loads += 1;
	}

	attributeChangedCallback(name, before, after) {
		if (before !== after && this.isConnected) this.#plan();
	}

	/** Frameworks set attributes and properties one by one: start once they are done. */
	#plan() {
		if (this.#planned) return;
		this.#planned = true;
		queueMicrotask(() => {
			this.#planned = false;
			if (this.isConnected) this.#start();
		});
	}

	#start() {
		this.#leaving?.abort();
		this.generate?.stop();
		this.#leaving = new AbortController();
		const { signal } = this.#leaving;
		const provider = this.getAttribute("provider") || "heygen";
		this.api = new Api(this.#session, {
			base: new URL(this.getAttribute("api-base") || SERVICE, document.baseURI).href,
			businessId: this.getAttribute("business-id") || null,
			provider,
		});
		this.live = h("div", { class: "sr", "aria-live": "polite" });
		this.banner = h("div", { class: "banner", role: "alert", hidden: true });
		const shared = {
			api: this.api, session: this.#session, root: this.#root, provider: providerName(provider),
			say: (words) => { this.live.textContent = words; },
		};
		this.settings = new SettingsCard({ ...shared, onchange: (integration) => {
			this.generate.setIntegration(integration);
			this.#tell({ kind: "integration", integration });
		} });
		this.generate = new GenerateCard({ ...shared, onchange: (generation) => this.#tell({ kind: "generation", generation }) });
		this.#root.replaceChildren(h("div", { class: "stack", part: "stack" },
			this.banner, this.settings.element, this.generate.element, this.live));
		addEventListener("offline", () => this.#showBanner("offline"), { signal });
		addEventListener("online", () => this.#again(), { signal });
		this.#load();
		if (!navigator.onLine) this.#showBanner("offline");
	}

	async #load() {
		this.#loads += 1;
		const load = this.#loads;
		const retry = () => this.#load();
		this.settings.loading();
		this.generate.loading();
		const [integration, videos] = await Promise.allSettled([this.api.integration(), this.api.videos()]);
		if (load !== this.#loads) return;
		for (const [card, { status, value, reason }] of [[this.settings, integration], [this.generate, videos]]) {
			if (status === "fulfilled") card.show(value);
			else if (reason.code !== "session_expired") card.failed(reason, retry);
		}
		this.generate.setIntegration(this.settings.integration);
	}

	// ---- session and network ----

	async #ask(reason) {
		if (this.#getAccessToken) return (await this.#getAccessToken({ reason })) ?? null;
		let answer = null;
		const respondWith = (token) => { answer = token; };
		this.dispatchEvent(new CustomEvent("access-token-request", {
			bubbles: true, composed: true, detail: { reason, respondWith },
		}));
		return (await answer) ?? null;
	}

	#signedIn(otherUser) {
		if (!this.isConnected || !this.settings) return;
		if (otherUser) this.#start(); // nothing of one user's is left for another
		else if (!this.banner.hidden) this.#again();
	}

	#showBanner(kind) {
		if (!this.banner) return;
		const retry = kind === "expired" && button(strings.banner.expiredRetry, () => this.#again());
		this.banner.replaceChildren(notice("warn", strings.banner[kind], ...(retry ? [retry] : [])));
		this.banner.hidden = false;
	}

	#again() {
		this.banner.hidden = true;
		this.banner.replaceChildren();
		this.#load();
	}

	#tell(detail) {
		this.dispatchEvent(new CustomEvent("ai-avatar-change", { bubbles: true, composed: true, detail }));
	}
}
