// @ts-check
// The account that the key belongs to, and what is left in it.
import { clear, fill, h } from "../lib/dom.js";
import { toFailure } from "../lib/failure.js";
import { Row } from "./row.js";

/** @import { Account, Integration } from "../lib/types.js" */
/** @import { SettingsCard } from "./settings-card.js" */

export class AccountRow extends Row {
	#shown = "";

	/** @param {SettingsCard} card */
	constructor(card) {
		super(card, "account", card.words.account);
	}

	/** The account is asked for once per key. @param {Integration} integration */
	show({ status, validated_at: checked }) {
		const key = `${checked}`;
		if (status !== "active" || this.#shown === key) return;
		this.#shown = key;
		if (!this.value.hasChildNodes()) fill(this.value, h("p", { class: "small" }, this.words.accountLoading));
		this.slot.run({
			control: this.element,
			work: () => this.context.api.account(this.provider.name),
			done: (account) => this.#render(account),
			failed: (error) => {
				clear(this.value);
				if (toFailure(error).code === "api_key_rejected") this.card.reload().catch(() => {});
			},
		});
	}

	/** @param {Account} account */
	#render(account) {
		const { label, remaining } = account;
		this.card.setAccount(account);
		fill(this.value, h("p", { class: "strong" }, h("bdi", {}, label)),
			remaining && h("p", { class: "small" }, this.context.text.fill(this.words.remaining, { amount: this.#amount(remaining) })));
	}

	/** @param {{ amount: number, unit: string }} remaining */
	#amount({ amount, unit }) {
		const { text } = this.context;
		if (unit === "credits") return text.fill(this.words.credits, { n: amount });
		return new Intl.NumberFormat(text.lang, { style: "currency", currency: unit.toUpperCase() }).format(amount);
	}
}
