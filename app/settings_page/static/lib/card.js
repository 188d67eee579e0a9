// @ts-check
// The frame of a card: a heading; grey lines while loading, an error, or the content.
import { clear, fill, h, skeleton } from "./dom.js";
import { Slot } from "./slot.js";

/** @import { Context } from "./context.js" */
/** @import { Child } from "./dom.js" */

export class Card {
	#skeleton; #slot; #content; #notice;

	/**
	 * @param {Context} context
	 * @param {object} options
	 * @param {string} options.name of its part, and the prefix of its heading's id
	 * @param {string} [options.title] none: the host's page has a heading
	 * @param {Child} [options.text] below the title
	 * @param {string} options.loading for screen readers
	 * @param {Child} [options.lead] before the title
	 * @param {Child} [options.aside] at the heading's end
	 */
	constructor(context, { name, title, text, loading, lead, aside }) {
		this.context = context;
		this.#slot = new Slot(context);
		this.#skeleton = skeleton(loading);
		this.#notice = h("div", { class: "card-notice", role: "status" });
		this.#content = h("div", { hidden: true });
		this.heading = title ? h("h2", { id: `${name}-title`, part: "title", tabindex: "-1" }, title) : null;
		this.element = h("section", { class: "card", part: `card ${name}`, "aria-labelledby": title && `${name}-title` },
			this.heading && h("header", { class: "card-head", part: "header" }, lead, h("div", {}, this.heading, text), aside),
			this.#notice, h("div", { class: "card-slot" }, this.#slot.element), this.#skeleton, this.#content);
	}

	/** Set what the card shows once it is loaded. @protected @param {...Child} children */
	setContent(...children) {
		fill(this.#content, ...children);
	}

	/** Report something above the content; it goes with the next change. @protected @param {HTMLElement | null} notice */
	setNotice(notice) {
		if (notice) this.#notice.replaceChildren(notice);
		else clear(this.#notice);
	}

	/** @param {unknown} error @param {() => void} retry */
	showLoadError(error, retry) {
		this.#skeleton.hidden = true;
		this.#slot.show(error, () => {
			this.#slot.clear();
			this.#skeleton.hidden = !this.#content.hidden;
			retry();
		});
	}

	/** @protected */
	showContent() {
		this.#skeleton.hidden = true;
		this.#slot.clear();
		this.#content.hidden = false;
	}
}
