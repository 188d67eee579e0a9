// @ts-check
// The state of the connection: valid, rejected by the provider, or switched off.
import { ago, button, h, icon, notice, setBusy } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

/** @import { Child } from "../lib/dom.js" */
/** @import { Integration } from "../lib/types.js" */

/** @typedef {{ avatar: string | null, voice: string | null }} Names */

export class StatusPanel {
	#provider; #oncheck; #onactivate; #onreplace;
	#shown = "";

	/**
	 * @param {object} options
	 * @param {string} options.provider
	 * @param {() => Promise<void>} options.oncheck
	 * @param {() => Promise<void>} options.onactivate
	 * @param {() => void} options.onreplace
	 */
	constructor({ provider, oncheck, onactivate, onreplace }) {
		this.#provider = provider;
		this.#oncheck = oncheck;
		this.#onactivate = onactivate;
		this.#onreplace = onreplace;
		this.element = h("div", { class: "status", tabindex: "-1", hidden: true });
	}

	/** @param {Integration | null} integration @param {Names} names of the default avatar and voice */
	show(integration, names) {
		this.element.hidden = !integration;
		if (!integration) return;
		const shown = JSON.stringify([integration, names]);
		if (shown === this.#shown) return; // do not replace a control that has the focus
		const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
		const hadFocus = this.element.contains(root.activeElement);
		this.#shown = shown;
		this.element.replaceChildren(this.#content(integration, names));
		if (hadFocus) this.element.focus();
	}

	/** @param {Integration} integration @param {Names} names */
	#content(integration, names) {
		const words = strings.status;
		const check = this.#button(words.check, words.checking, this.#oncheck);
		if (integration.status === "error") {
			const replace = button(words.replaceKey, this.#onreplace, "primary");
			return notice("bad", words.error(this.#provider), replace, check);
		}
		if (integration.status === "inactive") {
			return notice("warn", words.inactive, this.#button(words.activate, words.activating, this.#onactivate));
		}
		return h("div", { class: "valid" },
			h("div", { class: "valid-head" }, icon("check"), h("p", {}, words.valid), check),
			h("dl", {},
				fact(words.provider, this.#provider),
				fact(words.avatar, names.avatar ?? words.noAvatar),
				fact(words.voice, names.voice ?? words.noVoice),
				fact(words.checked, integration.validated_at ? ago(integration.validated_at) : words.never)));
	}

	/** @param {string} label @param {string} doing the label while `act` runs @param {() => Promise<void>} act */
	#button(label, doing, act) {
		const element = button(label, async () => {
			if (element.hasAttribute("data-busy")) return;
			setBusy(element, doing);
			await act();
			setBusy(element, null);
		});
		return element;
	}
}

/** @param {string} term @param {Child} value */
const fact = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
