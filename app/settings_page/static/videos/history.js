// @ts-check
// The earlier videos of a content item, loaded when they are opened.
import { button, fill, h, safeUrl } from "../lib/dom.js";
import { Slot } from "../lib/slot.js";
import { isLive } from "./generation.js";
import { factsOf, linkButtons } from "./result.js";
import { result } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Generation } from "../lib/types.js" */
/** @import { VideoApi } from "./video-api.js" */

/** Providers' links end after 7 days. */
const LINK_AGE = 6 * 24 * 3600 * 1000; // ms

export class History {
	#context; #api; #words; #slot; #list; #more;
	#contentId = "";
	/** @type {string | null} the latest generation's id, which is shown above */
	#latest = null;
	/** @type {string | null} */
	#cursor = null;
	/** @type {Generation[]} */
	#items = [];

	/** @param {Context} context @param {VideoApi} api */
	constructor(context, api) {
		const words = context.text.section("result", result);
		this.#context = context;
		this.#api = api;
		this.#words = words;
		this.#slot = new Slot(context);
		this.#list = h("ul", { class: "history" });
		this.#more = button(words.more, () => this.#load(this.#more), "link", { hidden: true });
		this.element = h("details", { class: "earlier", part: "history", ontoggle: () => this.#onToggle() },
			h("summary", {}, words.earlier), this.#list, this.#slot.element, this.#more);
	}

	/** @param {string} contentId @param {Generation | null} latest */
	show(contentId, latest) {
		this.element.hidden = !latest;
		if (contentId === this.#contentId && latest?.id === this.#latest) return;
		this.#contentId = contentId;
		this.#latest = latest?.id ?? null;
		this.#items = [];
		this.#cursor = null;
		this.#more.hidden = true;
		fill(this.#list);
		if (this.element.open) this.#load(this.#list);
	}

	close() {
		this.element.open = false;
		this.#slot.clear();
	}

	#onToggle() {
		if (this.element.open && this.#items.length === 0) this.#load(this.#list);
	}

	/** @param {HTMLElement} control */
	#load(control) {
		const id = this.#contentId;
		if (this.#items.length === 0) fill(this.#list, h("li", { class: "small" }, this.#words.loadingEarlier));
		this.#slot.run({
			control,
			work: () => this.#api.generations(id, this.#cursor),
			done: ({ items, next_cursor: cursor }) => {
				if (id !== this.#contentId) return;
				this.#items.push(...items);
				this.#cursor = cursor;
				this.#more.hidden = !cursor;
				this.#render();
			},
			failed: () => this.#render(),
		});
	}

	#render() {
		const earlier = this.#items.filter((item) => item.id !== this.#latest);
		const words = this.#words;
		fill(this.#list, ...earlier.map((item) => this.#entry(item)),
			earlier.length === 0 && this.#slot.isEmpty && h("li", { class: "small" }, words.noEarlier));
	}

	/** @param {Generation} generation */
	#entry(generation) {
		const words = this.#words;
		const { text } = this.#context;
		const url = generation.status === "completed" ? safeUrl(generation.video_url) : null;
		const state = isLive(generation) ? "live" : generation.error_code === "cancelled" ? "cancelled"
			: /** @type {"completed" | "failed" | "expired"} */ (generation.status);
		return h("li", {},
			h("p", { class: "facts small" }, h("span", { class: "chip", "data-state": state }, words.state[state]),
				...factsOf(generation, text, words)),
			h("p", { class: "clamp", dir: "auto" }, generation.script),
			url && (isOld(generation) ? this.#renewal(generation) : linkButtons(this.#context, words, url)));
	}

	/** A button that makes way for links that work. @param {Generation} generation */
	#renewal({ id, content_id: contentId }) {
		const words = this.#words;
		const slot = new Slot(this.#context);
		const place = h("div", { class: "links" });
		const control = button(words.renew, () => slot.run({
			control,
			work: () => this.#api.generation(contentId, id),
			done: ({ video_url: link }) => {
				const url = safeUrl(link);
				if (!url) return;
				const links = linkButtons(this.#context, words, url);
				place.replaceWith(links);
				links.querySelector("a")?.focus();
			},
		}));
		fill(place, control, slot.element);
		return place;
	}
}

/** @param {Generation} generation */
const isOld = ({ completed_at: made }) => made !== null && Date.now() - Date.parse(made) > LINK_AGE;
