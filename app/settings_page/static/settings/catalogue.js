// @ts-check
// The provider's avatars or voices that match a search, fetched page by page as they are looked at.

/** @import { CatalogueItem, Page } from "../lib/types.js" */

const MIN_MATCHES = 12; // further pages are fetched until there are this many
const MAX_EMPTY_PAGES = 40; // with a filter, a page may be empty although there are more

export class Catalogue {
	#fetchPage;
	/** @type {string | null} */
	#cursor = null;
	/** @type {Promise<void> | null} */
	#pending = null;
	/** @type {CatalogueItem[]} */
	items = [];
	complete = false;

	/** @param {(cursor: string | null) => Promise<Page<CatalogueItem>>} fetchPage */
	constructor(fetchPage) {
		this.#fetchPage = fetchPage;
	}

	/** Fetch until there are more items, enough to look at. Simultaneous callers share the requests. */
	async more() {
		this.#pending ??= this.#fetch().finally(() => { this.#pending = null; });
		await this.#pending;
	}

	async #fetch() {
		const enough = this.items.length + MIN_MATCHES;
		for (let pages = 0; pages < MAX_EMPTY_PAGES && !this.complete && this.items.length < enough; pages += 1) {
			const page = await this.#fetchPage(this.#cursor);
			const known = new Set(this.items.map((item) => item.id));
			this.items.push(...page.items.filter((item) => !known.has(item.id)));
			// A cursor that repeats would be followed without end.
			this.complete = !page.next_cursor || page.next_cursor === this.#cursor;
			this.#cursor = page.next_cursor;
		}
	}
}
