// What both cards are: a heading, grey lines while loading, what went wrong, or the content.
import { button, h, icon, notice } from "./dom.js";
import { explain, strings } from "./strings.js";

export class Card {
	/** `words`: title, text and loading; `aside`: at the heading's end; `content`: shown once it is there. */
	constructor(id, iconName, words, provider, aside, ...content) {
		this.provider = provider;
		this.content = h("div", { hidden: true }, ...content);
		this.problem = h("div", { class: "body", role: "alert" });
		this.skeleton = h("div", { class: "skeleton" }, h("span", { class: "sr" }, words.loading),
			...[1, 2, 3].map(() => h("div", { class: "row" }, h("i"), h("i"))));
		this.element = h("section", { class: "card", "aria-labelledby": id },
			h("header", { class: "card-head" },
				h("span", { class: "tile" }, icon(iconName)),
				h("div", {}, h("h2", { id }, words.title), h("p", {}, words.text(provider))),
				aside),
			this.skeleton, this.problem, this.content);
	}

	/** What is there stays in sight while it is loaded again. */
	loading() {
		this.skeleton.hidden = !this.content.hidden;
		this.problem.replaceChildren();
	}

	failed(error, retry) {
		this.skeleton.hidden = true;
		if (this.content.hidden) {
			this.problem.replaceChildren(notice("bad", explain(error, this.provider), button(strings.retry, retry)));
		}
	}

	loaded() {
		this.skeleton.hidden = true;
		this.problem.replaceChildren();
		this.content.hidden = false;
	}
}
