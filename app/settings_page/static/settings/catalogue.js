// @ts-check
// The provider's avatars or voices, fetched page by page as a picker needs them.

/** @import { CatalogueItem, FetchPage } from "../lib/types.js" */

export class Catalogue {
	#fetchPage;
	/** @type {string | null} */
	#cursor = null;
	/** @type {Promise<void> | null} */
	#pending = null;
	/** @type {CatalogueItem[]} */
	items = [];
	complete = false;

	/** @param {FetchPage} fetchPage */
	constructor(fetchPage) {
		this.#fetchPage = fetchPage;
	}

	get started() {
		return this.items.length > 0 || this.complete;
	}

	/** @param {string | null} id */
	find(id) {
		return this.items.find((item) => item.id === id) ?? null;
	}

	/** The item with this name, if there is exactly one. @param {string} name */
	findByName(name) {
		const found = this.items.filter((item) => item.name.toLowerCase() === name.toLowerCase());
		return found.length === 1 ? found[0] : null;
	}

	/** The fetched items that contain every word of `text`. @param {string} text */
	search(text) {
		const words = text.toLowerCase().split(/\s+/);
		return this.items.filter((item) => {
			const about = [item.name, item.id, item.gender, item.language].join(" ").toLowerCase();
			return words.every((word) => about.includes(word));
		});
	}

	/** Fetch one more page. Simultaneous callers share one request. */
	async more() {
		if (this.complete) return;
		this.#pending ??= this.#fetchNext().finally(() => { this.#pending = null; });
		await this.#pending;
	}

	async #fetchNext() {
		const page = await this.#fetchPage(this.#cursor);
		const known = new Set(this.items.map((item) => item.id));
		this.items.push(...page.items.filter((item) => !known.has(item.id)));
		// A cursor that repeats would be followed forever.
		this.complete = !page.next_cursor || page.next_cursor === this.#cursor;
		this.#cursor = page.next_cursor;
	}
}
