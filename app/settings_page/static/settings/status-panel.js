// How the connection is: valid, refused by the provider, or switched off.
import { ago, busy, button, h, icon, notice } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

export class StatusPanel {
	#provider;

	constructor({ provider, oncheck, onactivate, onreplace }) {
		this.#provider = provider;
		this.oncheck = oncheck;
		this.onactivate = onactivate;
		this.onreplace = onreplace;
		this.element = h("div", { class: "status", tabindex: "-1", hidden: true });
	}

	/** `names`: of the default avatar and voice, as far as they are known. */
	show(integration, names) {
		this.element.hidden = !integration;
		if (!integration) return;
		const shown = JSON.stringify([integration, names]);
		if (shown === this.shown) return; // a control that has the focus stays where it is
		const had = this.element.contains(this.element.getRootNode().activeElement);
		this.shown = shown;
		this.element.replaceChildren(this.#content(integration, names));
		if (had) this.element.focus();
	}

	#content(integration, names) {
		const words = strings.status;
		const check = this.#button(words.check, words.checking, this.oncheck);
		if (integration.status === "error") {
			const replace = button(words.replaceKey, this.onreplace, "primary");
			return notice("bad", words.error(this.#provider), replace, check);
		}
		if (integration.status === "inactive") {
			return notice("warn", words.inactive, this.#button(words.activate, words.activating, this.onactivate));
		}
		const fact = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
		return h("div", { class: "valid" },
			h("div", { class: "valid-head" }, icon("check"), h("p", {}, words.valid), check),
			h("dl", {},
				fact(words.provider, this.#provider),
				fact(words.avatar, names.avatar ?? words.noAvatar),
				fact(words.voice, names.voice ?? words.noVoice),
				fact(words.checked, integration.validated_at ? ago(integration.validated_at) : words.never)));
	}

	#button(label, doing, act) {
		const element = button(label, async () => {
			if (element.hasAttribute("data-busy")) return;
			busy(element, doing);
			await act();
			busy(element, null);
		});
		return element;
	}
}
