// @ts-check
// What is set up with a provider: its key, its account, the default avatar and voice; and what is in the way of a video.
import { loadPart } from "../lib/api.js";
import { button, clear, fill, h, notice } from "../lib/dom.js";
import { Slot } from "../lib/slot.js";
import { common } from "../lib/strings.js";
import { AccountRow } from "./account-row.js";
import { ChoiceRow } from "./choice-row.js";
import { KeyRow } from "./key-row.js";

/** @import { Integration } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

export class Summary {
	/** @type {"summary"} */
	kind = "summary";
	#card; #top; #key; #rows; #power; #removal; #slot;
	/** @type {Integration | null} */
	#integration = null;

	/** @param {SettingsCard} card */
	constructor(card) {
		const { context, words, provider } = card;
		this.#card = card;
		this.provider = provider;
		this.#top = h("div", { class: "card-notice" });
		this.#key = new KeyRow(card);
		this.#rows = [
			this.#key,
			...(provider.has_account ? [new AccountRow(card)] : []),
			new ChoiceRow(card, "avatars"),
			...(provider.has_voices ? [new ChoiceRow(card, "voices")] : []),
		];
		this.#slot = new Slot(context, provider.title);
		this.#power = button("", () => this.#toggle());
		this.#removal = button(words.remove, () => this.#remove(), "quiet danger-text");
		this.element = h("div", {}, this.#top, ...this.#rows.map((row) => row.element),
			h("div", { class: "foot", part: "footer" }, this.#slot.element, h("div", { class: "buttons" }, this.#power, this.#removal)));
	}

	/** @param {Integration | null} integration */
	show(integration) {
		if (!integration) return;
		if (JSON.stringify(integration) !== JSON.stringify(this.#integration)) {
			for (const row of this.#rows) row.clear();
			if (!this.#slot.isRunning) this.#slot.clear();
		}
		this.#integration = integration;
		this.renderTop();
		for (const row of this.#rows) row.show(integration);
		const { switchOn, switchOff } = this.#card.words;
		this.#power.textContent = integration.status === "inactive" ? switchOn : switchOff;
		this.#power.hidden = integration.status === "error";
	}

	/** What is in the way of a video, with what helps. */
	renderTop() {
		const { words, state, context: { text } } = this.#card;
		const { title, is_sandbox: isSandbox } = this.provider;
		const p = { p: title };
		if (state === "error") {
			const replace = button(words.replace, () => this.#key.replace(), "primary");
			fill(this.#top, notice("bad", this.#key.rejected, replace));
		} else if (state === "inactive") fill(this.#top, notice("warn", text.message(words.off, p)));
		else if (state === "empty") fill(this.#top, notice("warn", text.message(words.noCredit, p)));
		else if (isSandbox) fill(this.#top, notice("plain", text.message(words.sandbox, p)));
		else clear(this.#top);
	}

	#toggle() {
		const { context: { api, announce }, words } = this.#card;
		const on = this.#integration?.status === "inactive";
		this.#slot.run({
			control: this.#power,
			doing: on ? words.switchingOn : words.switchingOff,
			work: () => api.change(this.provider.name, { status: on ? "active" : "inactive" }),
			done: (integration) => {
				this.#card.take(integration);
				announce(words.badge[on ? "ready" : "inactive"]);
			},
			failed: (error) => this.#card.isChangedElsewhere(error),
		});
	}

	#remove() {
		const { context } = this.#card;
		this.#slot.run({
			control: this.#removal,
			doing: context.text.section("common", common).opening,
			work: () => loadPart(() => import("./removal.js")),
			done: ({ confirmRemoval }) => confirmRemoval(context, this.provider, () => this.#card.confirmRemoval()),
		});
	}
}
