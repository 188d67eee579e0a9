// The provider's avatars or voices, fetched page by page when a picker wants them.

export class Catalogue {
	#fetchPage;
	#cursor = null;
	#underWay = null;
	items = [];
	complete = false;

	/** `fetchPage(cursor)` gives `{items, next_cursor}`. */
	constructor(fetchPage) {
		this.#fetchPage = fetchPage;
	}

	get started() {
		return this.items.length > 0 || this.complete;
	}

	find(id) {
		return this.items.find((item) => item.id === id) ?? null;
	}

	/** Fetch one more page. Those who ask at once get the same one. */
	more() {
		if (this.complete) return Promise.resolve();
		this.#underWay ??= this.#next().finally(() => { this.#underWay = null; });
		return this.#underWay;
	}

	async #next() {
		const page = await this.#fetchPage(this.#cursor);
		const known = new Set(this.items.map((item) => item.id));
		const fresh = page.items.filter((item) => !known.has(item.id));
		this.items.push(...fresh);
		// A cursor that leads nowhere new would be asked for ever.
		this.complete = !page.next_cursor || page.next_cursor === this.#cursor;
		this.#cursor = page.next_cursor;
	}
}
