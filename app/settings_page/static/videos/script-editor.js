// @ts-check
// The script of the next video, and the button that starts it. What was typed is kept for each content item.
import { button, h } from "../lib/dom.js";
import { pane } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Integration, Provider } from "../lib/types.js" */

const MAX_SCRIPT_LENGTH = 5000; // code points

export class ScriptEditor {
	#context; #providers; #words; #label; #script; #count; #note; #useSpoken; #with;
	/** @type {Integration[]} */
	#integrations = [];
	/** @type {ContentItem | null} */
	#item = null;
	/** @type {Map<string, string>} scripts as typed, by content id */
	#drafts = new Map();
	#hasVideo = false;

	/** @param {Context} context @param {{ providers: Provider[], onstart: () => void }} options */
	constructor(context, { providers, onstart }) {
		const words = context.text.section("pane", pane);
		this.#context = context;
		this.#providers = providers;
		this.#words = words;
		this.#label = h("label", { for: "script" }, words.script);
		this.#script = h("textarea", { id: "script", class: "input", part: "input", rows: 6, dir: "auto",
			"aria-describedby": "script-count script-note", oninput: () => this.#onInput() });
		this.#count = h("span", { class: "count", id: "script-count", dir: "ltr" });
		this.#note = h("p", { class: "small", id: "script-note" });
		this.#useSpoken = button(words.useSpoken, () => {
			this.#script.value = this.#spoken ?? "";
			this.#onInput();
			this.#script.focus();
		}, "link");
		this.#with = h("select", { class: "input", part: "input", "aria-label": words.with, onchange: () => this.render() });
		this.startButton = button(words.generate, onstart, "primary");
		this.element = h("div", { class: "editor", part: "editor" },
			h("div", { class: "label-line" }, this.#label, this.#count),
			this.#script, this.#useSpoken,
			h("div", { class: "editor-foot" }, this.#note, h("div", { class: "buttons" }, this.#with, this.startButton)));
	}

	get script() { return this.#script.value; }

	/** The name of the provider that makes the next video. */
	get provider() { return this.#with.value || this.#ready[0]?.provider || this.#shown.name; }

	get providerTitle() {
		return this.#providers.find((one) => one.name === this.provider)?.title ?? "";
	}

	focus() {
		this.startButton.focus();
	}

	/** @param {ContentItem} item */
	open(item) {
		this.#item = item;
		this.#script.value = this.#drafts.get(item.content_id) ?? item.video_script ?? "";
	}

	/**
	 * Take the item's new state: its script too, unless another one was typed.
	 * @param {ContentItem} item
	 * @param {boolean} hasVideo there is a finished video: the next one is made again
	 */
	refresh(item, hasVideo) {
		this.#item = item;
		this.#hasVideo = hasVideo;
		const script = item.video_script ?? "";
		if (!this.#drafts.has(item.content_id) && this.#script.value !== script) this.#script.value = script;
		this.render();
	}

	/** @param {Integration[]} integrations */
	setIntegrations(integrations) {
		this.#integrations = integrations;
		const ready = this.#ready;
		const before = this.#with.value;
		this.#with.hidden = ready.length < 2;
		this.#with.replaceChildren(...ready.map(({ provider }) => h("option", { value: provider, selected: provider === before },
			this.#providers.find((one) => one.name === provider)?.title ?? provider)));
		this.render();
	}

	render() {
		const words = this.#words;
		const { text } = this.#context;
		const hasVideo = this.#hasVideo;
		const script = this.#script.value;
		const length = [...script].length;
		const over = length - MAX_SCRIPT_LENGTH;
		this.#label.textContent = hasVideo ? words.nextScript : words.script;
		this.#count.textContent = text.fill(words.count, { n: length, max: MAX_SCRIPT_LENGTH });
		this.#count.toggleAttribute("data-over", over > 0);
		this.#script.setAttribute("aria-invalid", String(over > 0));
		this.#useSpoken.hidden = this.#spoken === null || this.#spoken === script;
		const obstacle = over > 0 ? text.fill(words.tooLong, { n: over }) : this.#obstacle(script);
		this.#note.textContent = obstacle ?? text.fill(this.#consequence(script), { p: this.providerTitle });
		if (this.startButton.hasAttribute("data-busy")) return;
		this.startButton.textContent = hasVideo ? words.again : words.generate;
		this.startButton.setAttribute("aria-disabled", String(Boolean(obstacle)));
	}

	#onInput() {
		if (this.#item && this.script !== (this.#item.video_script ?? "")) this.#drafts.set(this.#item.content_id, this.script);
		else if (this.#item) this.#drafts.delete(this.#item.content_id);
		this.render();
	}

	/** The script of the finished video, or null. */
	get #spoken() {
		const generation = this.#item?.generation;
		return this.#hasVideo && generation?.status === "completed" ? generation.script : null;
	}

	get #shown() { return this.#providers[0]; }

	/** The integrations that can make a video. */
	get #ready() {
		return this.#integrations.filter((one) => one.status === "active" && one.avatar_id);
	}

	/** Which script will be spoken, and that it costs. @param {string} script */
	#consequence(script) {
		if (this.#spoken === null) return this.#words.bills;
		return this.#spoken === script ? this.#words.sameScript : this.#words.otherScript;
	}

	/** What must be done before a video can be made, or null. @param {string} script */
	#obstacle(script) {
		const words = this.#words;
		if (this.#ready.length === 0) {
			const { status, provider = this.#shown.name } = this.#integrations[0] ?? {};
			const p = { p: this.#providers.find((one) => one.name === provider)?.title ?? provider };
			const template = !status ? words.connectFirst : status === "error" ? words.solveFirst
				: status === "inactive" ? words.switchOnFirst : words.avatarFirst;
			return this.#context.text.fill(template, p);
		}
		return script.trim() ? null : words.emptyScript;
	}
}
