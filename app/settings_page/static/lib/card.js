// @ts-check
// The frame of both cards: a heading; grey lines while loading, an error, or the content.
import { button, h, icon, notice } from "./dom.js";
import { explain } from "./explain.js";
import { strings } from "./strings.js";

/** @import { Child, IconName } from "./dom.js" */

export class Card {
	#skeleton; #problem; #content;

	/**
	 * @param {object} options
	 * @param {string} options.id the heading's
	 * @param {IconName} options.iconName
	 * @param {{ title: string, text: (provider: string) => string, loading: string }} options.words
	 * @param {string} options.provider
	 * @param {Child} [options.badge] at the heading's end
	 */
	constructor({ id, iconName, words, provider, badge }) {
		/** @protected */
		this.provider = provider;
		this.#content = h("div", { hidden: true });
		this.#problem = h("div", { class: "body", role: "alert" });
		this.#skeleton = h("div", { class: "skeleton" }, h("span", { class: "sr" }, words.loading),
			...[1, 2, 3].map(() => h("div", { class: "row" }, h("i"), h("i"))));
		this.element = h("section", { class: "card", "aria-labelledby": id },
			h("header", { class: "card-head" },
				h("span", { class: "tile" }, icon(iconName)),
				h("div", {}, h("h2", { id }, words.title), h("p", {}, words.text(provider))),
				badge),
			this.#skeleton, this.#problem, this.#content);
	}

	/** Set what the card shows once it is loaded. @protected @param {...Child} children */
	setContent(...children) {
		this.#content.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
	}

	/** Content that is already there stays visible while it is loaded again. */
	showLoading() {
		this.#skeleton.hidden = !this.#content.hidden;
		this.#problem.replaceChildren();
	}

	/** @param {unknown} error @param {() => void} retry */
	showLoadError(error, retry) {
		this.#skeleton.hidden = true;
		if (this.#content.hidden) {
			this.#problem.replaceChildren(notice("bad", explain(error, this.provider), button(strings.retry, retry)));
		}
	}

	/** @protected */
	showContent() {
		this.#skeleton.hidden = true;
		this.#problem.replaceChildren();
		this.#content.hidden = false;
	}
}
