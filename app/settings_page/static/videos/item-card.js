// @ts-check
// One content item's video, for a page of the host that shows that item. The host's page has the heading.
import { Card } from "../lib/card.js";
import { notice } from "../lib/dom.js";
import { videos } from "../lib/strings.js";
import { isLive } from "./generation.js";
import { notifyEnd } from "./notify.js";
import { VideoPane } from "./video-pane.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Generation, Integration, Provider } from "../lib/types.js" */

export class ItemCard extends Card {
	#contentId; #pane; #onchange;
	/** @type {ContentItem | null} */
	#item = null;

	/** @param {Context} context @param {{ contentId: string, providers: Provider[], onchange: (generation: Generation) => void }} options */
	constructor(context, { contentId, providers, onchange }) {
		super(context, { name: "video", loading: context.text.section("videos", videos).loading });
		this.#contentId = contentId;
		this.#onchange = onchange;
		this.#pane = new VideoPane(context, {
			providers,
			onitem: (item, generation) => this.#update(item, generation),
			onstale: () => this.load().catch(() => {}),
		});
		this.setContent(this.#pane.element);
		context.signal.addEventListener("abort", () => this.#pane.close());
	}

	async load() {
		const { items } = await this.context.api.items({ content_id: [this.#contentId], limit: 1 });
		const [item] = items;
		this.showContent();
		const words = this.context.text.section("videos", videos);
		if (!item) {
			this.#item = null;
			return this.setContent(notice("warn", words.gone));
		}
		const isNew = !this.#item;
		this.#item = item;
		this.setContent(this.#pane.element);
		this.#pane.element.setAttribute("aria-label", item.content_title?.trim() || words.untitled);
		return isNew ? this.#pane.open(item, null) : this.#pane.refresh(item);
	}

	/** @param {Integration[]} integrations */
	setIntegrations(integrations) {
		this.#pane.setIntegrations(integrations);
	}

	/** @param {ContentItem} item @param {Generation | null} generation */
	#update(item, generation) {
		if (isLive(this.#item?.generation) && generation && !isLive(generation)) notifyEnd(this.context, item, generation);
		this.#item = item;
		if (generation) this.#onchange(generation);
	}
}
