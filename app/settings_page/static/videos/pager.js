// @ts-check
// The pages of the content items: which one is shown, out of how many items, and the buttons that turn them.
import { button, h } from "../lib/dom.js";

/** @import { Text } from "../lib/text.js" */
/** @import { ContentItem, Page } from "../lib/types.js" */
/** @import { videos } from "../lib/strings.js" */

const PAGE_SIZE = 20;
const MAX_COUNT = 10_000; // the service counts no further

export class Pager {
	#text; #words; #range;
	/** @type {(string | null)[]} the cursors of the pages up to this one */
	#cursors = [null];
	/** @type {string | null} */
	#nextCursor = null;
	/** @type {number | null} counted with the first page */
	#total = null;

	/** @param {Text} text @param {typeof videos} words @param {(step: -1 | 1) => void} onturn */
	constructor(text, words, onturn) {
		this.#text = text;
		this.#words = words;
		this.#range = h("p", { class: "small", role: "status" });
		this.previous = button(words.previous, () => onturn(-1));
		this.next = button(words.next, () => onturn(1));
		this.element = h("div", { class: "pager" }, this.#range, h("div", { class: "buttons" }, this.previous, this.next));
	}

	/** What to ask the service for. */
	get query() {
		const cursor = this.#cursors.at(-1) ?? null;
		return { limit: PAGE_SIZE, cursor, count: !cursor };
	}

	/** Go back to the first page. */
	restart() {
		this.#cursors = [null];
	}

	/** Go on or back, and return a way to undo it. @param {-1 | 1} step */
	turn(step) {
		const before = this.#cursors;
		this.#cursors = step > 0 ? [...before, this.#nextCursor] : before.slice(0, -1);
		return () => { this.#cursors = before; };
	}

	/** @param {Page<ContentItem>} page */
	show({ items, next_cursor: cursor, total_count: total }) {
		const isFirst = this.#cursors.length === 1;
		this.#nextCursor = cursor;
		if (isFirst) this.#total = total ?? null;
		this.element.hidden = items.length === 0;
		this.previous.hidden = isFirst;
		this.next.hidden = !cursor;
		const from = (this.#cursors.length - 1) * PAGE_SIZE + 1;
		this.#range.textContent = this.#describe(from, from + items.length - 1, isFirst && !cursor, cursor);
	}

	/** @param {number} from @param {number} to @param {boolean} isAll @param {string | null} cursor */
	#describe(from, to, isAll, cursor) {
		const words = this.#words;
		// The last page tells how many there are; before it, what was counted may be outdated.
		const n = cursor ? this.#total ?? 0 : to;
		const template = isAll ? words.all : n >= MAX_COUNT && cursor ? words.rangeOfMore
			: n > to || !cursor ? words.rangeOf : words.range;
		return this.#text.fill(template, { from, to, n });
	}
}
