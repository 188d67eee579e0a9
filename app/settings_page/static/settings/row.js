// @ts-check
// A row of the summary: a label, a value, its actions and a place for what became of them.
import { loadPart } from "../lib/api.js";
import { flash, h } from "../lib/dom.js";
import { Slot } from "../lib/slot.js";
import { common } from "../lib/strings.js";

/** @import { Integration } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

export class Row {
	/** @param {SettingsCard} card @param {string} name of its part @param {string} label @param {string} [hint] */
	constructor(card, name, label, hint) {
		this.card = card;
		this.context = card.context;
		this.provider = card.provider;
		this.words = card.words;
		this.value = h("div", { class: "value" });
		this.actions = h("div", { class: "buttons" });
		this.editor = h("div", { class: "editor-place" });
		this.slot = new Slot(this.context, this.provider.title);
		this.element = h("div", { class: "row", part: `row ${name}`, role: "group", "aria-label": label },
			h("div", { class: "row-label" }, h("p", { class: "strong" }, label), hint && h("p", { class: "small" }, hint)),
			h("div", { class: "row-field" }, h("div", { class: "line" }, this.value, this.actions), this.editor, this.slot.element));
	}

	/** Forget a message about what was before. */
	clear() {
		if (!this.slot.isRunning) this.slot.clear();
	}

	/**
	 * Load a part of the page for a control.
	 * @template T
	 * @param {HTMLElement} control
	 * @param {() => Promise<T>} load imports it
	 * @param {(part: T) => unknown} done
	 */
	open(control, load, done) {
		const doing = this.context.text.section("common", common).opening;
		this.slot.run({ control, doing, work: () => loadPart(load), done });
	}

	/**
	 * Change the integration.
	 * @param {HTMLElement} control
	 * @param {string} doing its label meanwhile
	 * @param {() => Promise<Integration>} work
	 * @param {(integration: Integration) => void} done says what became of it
	 */
	change(control, doing, work, done) {
		this.slot.run({
			control, doing, work,
			done: (integration) => {
				this.card.take(integration);
				done(integration);
			},
			failed: (error) => this.card.isChangedElsewhere(error),
		});
	}

	/** @param {string} said */
	confirm(said) {
		flash(this.value, said);
		this.context.announce(said);
	}
}
