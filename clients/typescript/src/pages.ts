/** One page of a list. */
export interface Page<Item> {
	items: Item[];
	/** Leads to the next page; null on the last one. */
	next_cursor: string | null;
}

type FetchPage<Item> = (cursor: string | undefined) => Promise<Page<Item>>;

/**
 * A list. `await` it for its first page, or iterate over it with `for await` for all items of all pages.
 * Nothing is requested before that.
 */
export class PagedList<Item> implements PromiseLike<Page<Item>>, AsyncIterable<Item> {
	readonly #fetchPage: FetchPage<Item>;
	readonly #cursor: string | undefined;
	#first: Promise<Page<Item>> | null = null;

	constructor(fetchPage: FetchPage<Item>, cursor?: string) {
		this.#fetchPage = fetchPage;
		this.#cursor = cursor;
	}

	// biome-ignore lint/suspicious/noThenProperty: the list is awaitable on purpose
	then<Result = Page<Item>, Failure = never>(
		onFulfilled?: ((page: Page<Item>) => Result | PromiseLike<Result>) | null,
		onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
	): Promise<Result | Failure> {
		return this.#load().then(onFulfilled, onRejected);
	}

	/** Yield page by page. */
	async *pages(): AsyncGenerator<Page<Item>, void, void> {
		let page = await this.#load();
		yield page;
		while (page.next_cursor !== null) {
			page = await this.#fetchPage(page.next_cursor);
			yield page;
		}
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, void> {
		for await (const page of this.pages()) yield* page.items;
	}

	#load(): Promise<Page<Item>> {
		this.#first ??= this.#fetchPage(this.#cursor);
		return this.#first;
	}
}
