// @ts-check
// What the element shows for one user, business and language: the cards, and the banner about an outage.
import { Api } from "../lib/api.js";
import { fill, h, notice } from "../lib/dom.js";
import { toFailure } from "../lib/failure.js";
import { Outages } from "../lib/outages.js";
import { signInButton } from "../lib/slot.js";
import { outage } from "../lib/strings.js";
import { Sync } from "../lib/sync.js";
import { Text } from "../lib/text.js";
import providers from "../providers.js";
import { SettingsCard } from "../settings/settings-card.js";
import { ListCard } from "../videos/list-card.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Session } from "../lib/session.js" */
/** @import { EventDetails, Integration } from "../lib/types.js" */
/** @import { ItemCard } from "../videos/item-card.js" */

const MAX_AUTOMATIC_RETRY = 30; // s; a longer Retry-After is left to the user

/**
 * @typedef {object} ViewOptions
 * @property {string} base the service's URL
 * @property {string | null} businessId
 * @property {string | null} provider the only one to show; null for all
 * @property {string | null} contentId the only content item to show; null for all
 * @property {string | null} part `settings` or `videos`; null for both
 * @property {string | null} lang
 * @property {Record<string, unknown> | null} strings
 * @property {<Type extends keyof EventDetails>(type: Type, detail: EventDetails[Type]) => void} emit
 */

export class View {
	#controller = new AbortController();
	#context; #options; #providers; #banner;
	/** @type {SettingsCard | null} */
	#settings = null;
	/** @type {ListCard | ItemCard | null} */
	#videos = null;
	/** @type {Integration[]} */
	#integrations = [];
	/** @type {Promise<void> | null} */
	#loading = null;
	#hasLoaded = false;

	/** @param {ShadowRoot} root @param {Session} session @param {ViewOptions} options */
	constructor(root, session, options) {
		const { signal } = this.#controller;
		const { base, businessId, provider, lang, strings } = options;
		this.#options = options;
		this.#providers = provider ? providers.filter((one) => one.name === provider) : providers;
		const live = h("div", { class: "sr", "aria-live": "polite" });
		const text = new Text(lang, strings);
		/** @type {Context} */
		this.#context = {
			api: new Api(session, { base, businessId }),
			session, root, signal, text,
			outages: new Outages(session, signal),
			sync: new Sync(`${base} ${businessId}`, signal),
			announce: (message) => { live.textContent = message; },
			report: ({ code, status, detail, requestId }) => options.emit("ai-avatar-error", { code, status, detail, requestId }),
		};
		this.#banner = h("div", { class: "banner", part: "banner", role: "alert", hidden: true });
		this.#context.outages.addEventListener("change", () => this.#renderBanner());
		this.#context.outages.addEventListener("over", () => this.load());
		this.#context.sync.addEventListener("look", () => this.load());
		this.#build(root, live);
		this.#renderBanner();
	}

	get signal() { return this.#controller.signal; }

	/** The provider that is shown now. */
	get provider() { return this.#settings?.provider.name ?? this.#providers[0]?.name ?? null; }

	stop() {
		this.#controller.abort();
	}

	/** @param {ShadowRoot} root @param {HTMLElement} live */
	#build(root, live) {
		const { part, contentId, provider } = this.#options;
		if (this.#providers.length > 0 && (part ?? "settings") === "settings" && !(contentId && !part)) {
			this.#settings = new SettingsCard(this.#context, {
				providers: this.#providers,
				preferred: provider,
				onchange: (integration) => this.#takeIntegration(integration),
				onfirstvideo: () => { if (this.#videos && "openFirst" in this.#videos) this.#videos.openFirst(); },
			});
		}
		if (part !== "settings" && !contentId) {
			this.#videos = new ListCard(this.#context, { providers: this.#providers, onchange: this.#onGeneration });
		}
		const stack = h("div", { class: "stack", part: "stack" }, this.#banner, this.#settings?.element, this.#videos?.element, live);
		root.replaceChildren(stack);
		if (part !== "settings" && contentId) this.#addItemCard(stack, live, contentId);
	}

	/** @param {HTMLElement} stack @param {HTMLElement} live @param {string} contentId */
	async #addItemCard(stack, live, contentId) {
		const { ItemCard } = await import("../videos/item-card.js");
		if (this.signal.aborted) return;
		this.#videos = new ItemCard(this.#context, { contentId, providers: this.#providers, onchange: this.#onGeneration });
		stack.insertBefore(this.#videos.element, live);
		this.#videos.setIntegrations(this.#integrations);
		await this.#loadVideos();
	}

	/** @param {import("../lib/types.js").Generation} generation */
	#onGeneration = (generation) => this.#options.emit("ai-avatar-change", { kind: "generation", generation });

	/** @param {Integration | null} integration */
	#takeIntegration(integration) {
		const name = integration?.provider ?? this.#settings?.provider.name;
		this.#integrations = [...(integration ? [integration] : []), ...this.#integrations.filter((one) => one.provider !== name)];
		this.#videos?.setIntegrations(this.#integrations);
		this.#options.emit("ai-avatar-change", { kind: "integration", integration });
	}

	/** Ask the service for everything that is shown. What was typed stays. */
	async load() {
		this.#loading ??= Promise.all([this.#loadIntegrations(), this.#loadVideos()]).then(() => { this.#loading = null; });
		await this.#loading;
	}

	async #loadIntegrations() {
		try {
			const all = await this.#context.api.integrations();
			if (this.signal.aborted) return;
			this.#integrations = all.filter(({ provider }) => this.#providers.some(({ name }) => name === provider));
			this.#settings?.show(this.#integrations);
			this.#videos?.setIntegrations(this.#integrations);
			this.#hasLoaded = true;
		} catch (error) {
			await this.#fail(error, this.#settings ?? this.#videos, () => this.#loadIntegrations());
		}
	}

	async #loadVideos() {
		try {
			await this.#videos?.load();
		} catch (error) {
			await this.#fail(error, this.#videos, () => this.#loadVideos());
		}
	}

	/**
	 * The banner reports an outage. What is already there stays when loading it again fails. A short Retry-After is waited for.
	 * @param {unknown} error
	 * @param {SettingsCard | ListCard | ItemCard | null} card
	 * @param {() => void} retry
	 */
	async #fail(error, card, retry) {
		const { code, retryAfter } = toFailure(error);
		if (this.signal.aborted || code === "session_expired" || code === "offline") return;
		if (this.#hasLoaded && card === this.#settings) return;
		const cause = code === "unreachable" && await this.#isForbiddenByCors() ? { code: "cors_forbidden" } : error;
		card?.showLoadError(cause, retry);
		if (retryAfter > 0 && retryAfter <= MAX_AUTOMATIC_RETRY) {
			setTimeout(() => { if (!this.signal.aborted) retry(); }, retryAfter * 1000);
		}
	}

	/** Whether the service answers, but does not let this page read it. */
	async #isForbiddenByCors() {
		if (new URL(this.#context.api.base).origin === location.origin) return false;
		return fetch(`${this.#context.api.base}/health/live`, { mode: "no-cors", credentials: "omit" }).then(() => true, () => false);
	}

	#renderBanner() {
		const { outages, text } = this.#context;
		const kind = outages.banner;
		this.#banner.hidden = !kind;
		if (!kind) return fill(this.#banner);
		const actions = kind === "expired" ? [signInButton(this.#context)] : [];
		return fill(this.#banner, notice("warn", text.section("outage", outage)[kind], ...actions));
	}
}
