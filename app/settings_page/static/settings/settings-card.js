// @ts-check
// The card that connects a business with its providers: the first steps, or a summary of what is set up.
import { loadPart } from "../lib/api.js";
import { Card } from "../lib/card.js";
import { draw, face, fill, h, notice, skeleton } from "../lib/dom.js";
import { toFailure } from "../lib/failure.js";
import { Slot } from "../lib/slot.js";
import { settings } from "../lib/strings.js";
import { Summary } from "./summary.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Account, Integration, Provider } from "../lib/types.js" */
/** @import { Setup } from "./setup.js" */

/**
 * @typedef {object} SettingsOptions
 * @property {Provider[]} providers at least one
 * @property {string | null} preferred the provider to show first
 * @property {(integration: Integration | null) => void} onchange called with what the service has stored; null after removal
 * @property {() => void} onfirstvideo called when the user wants to make the first video
 */

export class SettingsCard extends Card {
	#options; #badge; #logo; #text; #switch; #panel;
	/** @type {Map<string, Integration>} by provider */
	#integrations = new Map();
	/** @type {Summary | Setup | null} */
	#shown = null;
	/** @type {Account | null} */
	#account = null;
	#settingUp = false;

	/** @param {Context} context @param {SettingsOptions} options */
	constructor(context, options) {
		const words = context.text.section("settings", settings);
		const badge = h("span", { class: "badge", part: "badge", role: "status" });
		const logo = h("span", { class: "tile" });
		const text = h("p");
		super(context, { name: "settings", title: words.title, text, loading: words.loading, lead: logo, aside: badge });
		this.#options = options;
		this.words = words;
		this.#badge = badge;
		this.#logo = logo;
		this.#text = text;
		this.provider = options.providers[0];
		this.#switch = options.providers.length > 1 ? this.#buildSwitch() : null;
		this.#panel = h("div", { class: "panel" });
		this.setContent(this.#switch, this.#panel);
		this.#renderHead();
	}

	/** The shown provider's integration, as the service has it. */
	get integration() { return this.#integrations.get(this.provider.name) ?? null; }

	/** Show what the service has. @param {Integration[]} integrations */
	show(integrations) {
		const isFirst = !this.#shown;
		const had = this.integration;
		// What is reported above may contradict what was changed elsewhere since.
		if (JSON.stringify(integrations) !== JSON.stringify([...this.#integrations.values()])) this.setNotice(null);
		this.#integrations = new Map(integrations.map((one) => [one.provider, one]));
		if (isFirst) this.provider = this.#choose(integrations);
		if (had && !this.integration) this.#settingUp = false;
		this.showContent();
		this.#render();
	}

	/** Take what an action has changed; null after removal. @param {Integration | null} integration */
	take(integration) {
		if (integration) this.#integrations.set(integration.provider, integration);
		else this.#integrations.delete(this.provider.name);
		this.setNotice(null);
		this.#render();
		this.context.sync.tell();
		this.#options.onchange(integration);
	}

	/** Say that the integration was removed, and where to go on. */
	confirmRemoval() {
		this.#settingUp = false;
		this.take(null);
		this.setNotice(notice("good", this.context.text.message(this.words.removed, { p: this.provider.title })));
		this.heading?.focus();
	}

	/** Ask the service again: something was changed elsewhere. */
	async reload() {
		const integrations = await this.context.api.integrations();
		this.show(integrations);
		this.#options.onchange(this.integration);
	}

	/** Show what is stored, after an action has found that something was changed elsewhere. */
	async showChange() {
		await this.reload();
		this.setNotice(notice("warn", this.words.changed));
		this.heading?.focus();
	}

	/** After a 404 or 409, show what is stored now instead of the error. @param {unknown} error */
	isChangedElsewhere(error) {
		const { status, code } = toFailure(error);
		if (code === "api_key_rejected") this.reload().catch(() => {});
		if (status !== 404 && status !== 409) return false;
		this.showChange().catch(() => {});
		return true;
	}

	/** @param {Account | null} account */
	setAccount(account) {
		this.#account = account;
		this.#renderBadge();
		if (this.#shown?.kind === "summary") this.#shown.renderTop();
	}

	firstVideo() {
		this.#options.onfirstvideo();
	}

	finishSetup() {
		this.#settingUp = false;
		this.#render();
		this.heading?.focus();
	}

	/** @param {Integration[]} integrations */
	#choose(integrations) {
		const { providers, preferred } = this.#options;
		const name = preferred ?? integrations[0]?.provider;
		return providers.find((one) => one.name === name) ?? providers[0];
	}

	#render() {
		this.#renderHead();
		this.#renderBadge();
		const { integration } = this;
		const unfinished = !integration || (integration.status === "active" && !integration.avatar_id);
		if (unfinished) this.#settingUp = true;
		const kind = this.#settingUp ? "setup" : "summary";
		if (this.#shown?.kind === kind && this.#shown.provider === this.provider) return this.#shown.show(integration);
		if (kind === "summary") this.#use(new Summary(this));
		else this.#openSetup();
	}

	/** The first steps are loaded when they are needed. */
	#openSetup() {
		const { provider } = this;
		const slot = new Slot(this.context, provider.title);
		const lines = skeleton(this.words.loading);
		fill(this.#panel, lines, h("div", { class: "card-slot" }, slot.element));
		slot.run({
			control: lines,
			work: () => loadPart(() => import("./setup.js")),
			done: ({ Setup }) => {
				if (this.provider === provider && this.#settingUp) this.#use(new Setup(this.context, this));
			},
		});
	}

	/** @param {Summary | Setup} panel */
	#use(panel) {
		this.#shown = panel;
		fill(this.#panel, panel.element);
		panel.show(this.integration);
	}

	#renderHead() {
		const { title, logo } = this.provider;
		fill(this.#logo, logo ? draw(logo) : face(title, null));
		this.#text.textContent = this.context.text.fill(this.words.text, { p: title });
		for (const input of this.#switch?.querySelectorAll("input") ?? []) input.checked = input.value === this.provider.name;
	}

	/** `ready`, which is green, only when a video can be made. */
	get state() {
		const { integration } = this;
		return !integration ? "none"
			: integration.status !== "active" ? integration.status
			: !integration.avatar_id ? "unfinished"
			: this.#account?.remaining?.amount === 0 ? "empty" : "ready";
	}

	#renderBadge() {
		const { state } = this;
		this.#badge.dataset.state = state;
		this.#badge.textContent = this.words.badge[state];
	}

	#buildSwitch() {
		const options = this.#options.providers.map((provider) => h("label", { class: "segment" },
			h("input", { type: "radio", name: "provider", value: provider.name,
				onchange: () => this.#select(provider) }),
			provider.logo && draw(provider.logo), provider.title));
		return h("fieldset", { class: "segments providers" }, h("legend", { class: "sr" }, this.words.providers), ...options);
	}

	/** @param {Provider} provider */
	#select(provider) {
		this.provider = provider;
		this.#settingUp = false;
		this.setAccount(null);
		this.setNotice(null);
		this.#render();
		this.#options.onchange(this.integration);
	}
}
