// @ts-check
// A picker's list, with pictures, sound and search. It is WAI-ARIA's editable combobox with a listbox: the keyboard's
// focus stays in the input, and aria-activedescendant names the active option.
import { button, h } from "../lib/dom.js";
import { explain } from "../lib/explain.js";
import { strings } from "../lib/strings.js";
import { adopt } from "../lib/styles.js";
import sheet from "./picker.css.js";
import { Catalogue } from "./catalogue.js";
import { buildOption, face } from "./option.js";
import { Preview } from "./preview.js";

/** @import { CatalogueItem } from "../lib/types.js" */
/** @import { Picker } from "./picker.js" */

const MIN_MATCHES = 8; // a search fetches further pages until it has this many
const MAX_SEARCH_PAGES = 40;
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };

export class PickerList {
	#picker; #input; #words; #provider; #announce; #preview;
	#face; #listen; #options; #typedOption; #status; #popup;
	/** @type {Catalogue | null} */
	#catalogue = null;
	/** @type {unknown} */
	#error = null;
	#loading = false;
	/** @type {Element | null} */
	#active = null;
	#reachedByKey = false; // whether the active option was reached with the arrow keys
	/** @type {Map<string, HTMLElement>} options by item id */
	#nodes = new Map();
	/** @type {WeakMap<Element, CatalogueItem>} */
	#items = new WeakMap();

	/** @param {Picker} picker */
	constructor(picker) {
		const { root, provider, announce } = picker.context;
		const { kind, words } = picker;
		this.#picker = picker;
		this.#input = picker.input;
		this.#words = words;
		this.#provider = provider;
		this.#announce = announce;
		this.#preview = Preview.of(root, announce);
		adopt(root, sheet);
		this.#face = h("span", { class: "face", hidden: true });
		this.#listen = h("button", { type: "button", class: "tool", hidden: true, onclick: () => this.#togglePreview(this.known) });
		this.#options = h("ul", { id: `${kind}-list`, role: "listbox", "aria-label": words.list,
			onclick: (event) => this.#onClick(event), onscroll: () => this.#onScroll() });
		this.#typedOption = h("li", { role: "option", id: `${kind}-typed`, "aria-selected": "false" });
		this.#status = h("div", { class: "popup-status" });
		const keys = kind === "voices" && h("span", { class: "popup-keys", "aria-hidden": "true" }, strings.picker.keys);
		this.#popup = h("div", { class: "popup", hidden: true, onmousedown: (event) => event.preventDefault() },
			this.#options, h("div", { class: "popup-foot" }, this.#status, keys));
		picker.combo.prepend(this.#face);
		picker.clear.before(this.#listen);
		picker.combo.append(this.#popup);
		this.reset();
	}

	get #query() { return this.#picker.typed ?? ""; }
	get isOpen() { return !this.#popup.hidden; }

	/** The chosen item, if the catalogue has it. */
	get known() { return this.#catalogue?.find(this.#picker.value) ?? null; }

	/** @param {string} name */
	findByName(name) {
		return this.#catalogue?.findByName(name) ?? null;
	}

	/** Start with an empty catalogue: another key may belong to another account. */
	reset() {
		const { fetchPage } = this.#picker;
		this.#catalogue = fetchPage && new Catalogue(fetchPage);
		this.#nodes.clear();
		this.decorate();
	}

	/** Show the picture, the sound and the note of the choice. */
	decorate() {
		const { kind, value, note } = this.#picker;
		const item = this.known;
		this.#face.replaceChildren(...(item && kind === "avatars" ? [face(item)] : []));
		this.#face.hidden = !this.#face.hasChildNodes();
		this.#listen.hidden = !item?.preview_audio_url;
		if (item) this.#preview.bind(this.#listen, item);
		const unknown = value && !item && this.#catalogue?.started;
		note.textContent = unknown ? strings.picker.unknown(this.#provider, this.#words.one) : "";
	}

	open() {
		if (this.isOpen) return;
		this.#popup.hidden = false;
		this.#input.setAttribute("aria-expanded", "true");
		this.#render("");
		if (this.#catalogue && !this.#catalogue.started) this.load();
	}

	close() {
		if (!this.isOpen) return;
		this.#popup.hidden = true;
		this.#input.setAttribute("aria-expanded", "false");
		this.#activate(null);
		this.#preview.stop();
		this.#picker.show();
	}

	stop() {
		this.#preview.stop();
	}

	toggle() {
		if (this.isOpen) this.close();
		else this.open();
	}

	search() {
		this.open();
		this.#reachedByKey = false;
		this.#render(this.#query);
		this.#activate(this.#options.firstElementChild);
		this.#options.scrollTop = 0;
		this.load();
	}

	/** Fetch pages until there are enough matches. @param {boolean} [another] fetch one page at least */
	async load(another = false) {
		if (this.#loading || !this.#catalogue) return;
		const catalogue = this.#catalogue;
		this.#loading = true;
		this.#error = null;
		try {
			for (let pages = 0; pages < MAX_SEARCH_PAGES && !catalogue.complete; pages += 1) {
				if (!(another && pages === 0) && this.#matches(this.#query).length >= MIN_MATCHES) break;
				this.#showStatus(this.#query);
				await catalogue.more();
				if (this.isOpen) this.#render(this.#query);
				this.#picker.show();
				this.#picker.onchange(); // the name of the choice may be known now
			}
		} catch (error) {
			this.#error = error;
		}
		this.#loading = false;
		this.#showStatus(this.#query);
	}

	/** @param {string} text */
	#matches(text) {
		return this.#catalogue?.search(text) ?? [];
	}

	/** @param {string} text */
	#render(text) {
		const nodes = this.#matches(text).map((item) => this.#node(item));
		if (text && !this.#catalogue?.find(text)) {
			this.#items.set(this.#typedOption, { id: text, name: text });
			this.#typedOption.replaceChildren(h("span", { class: "option-text" }, strings.picker.useId(text)));
			nodes.push(this.#typedOption);
		}
		// A node that stays in place keeps its picture and its position under the pointer.
		const shown = this.#options.children;
		nodes.forEach((node, index) => {
			node.setAttribute("aria-selected", String(this.#items.get(node)?.id === this.#picker.value));
			if (shown[index] !== node) this.#options.insertBefore(node, shown[index] ?? null);
		});
		while (shown.length > nodes.length) this.#options.lastChild?.remove();
		if (this.#active && !this.#active.isConnected) this.#activate(null);
		// The typed text is first offered as an id. A later match replaces it, unless the user moved to it.
		if (this.#active === this.#typedOption && !this.#reachedByKey) this.#activate(null);
		if (!this.#active) {
			this.#activate(text ? this.#options.firstElementChild : this.#options.querySelector("[aria-selected=true]"));
		}
		this.#showStatus(text);
	}

	/** @param {CatalogueItem} item */
	#node(item) {
		let node = this.#nodes.get(item.id);
		if (!node) {
			node = buildOption(this.#picker.kind, item, this.#preview);
			node.id = `${this.#picker.kind}-option-${this.#nodes.size}`;
			this.#nodes.set(item.id, node);
			this.#items.set(node, item);
		}
		return node;
	}

	/** Say below the list how many options there are, or why there are none. @param {string} text */
	#showStatus(text) {
		const message = this.#statusText(text);
		this.#options.setAttribute("aria-busy", String(this.#loading));
		if (this.#status.firstChild?.textContent === message) return;
		const retry = this.#error ? button(strings.retry, () => this.load(true), "link", { tabindex: "-1" }) : "";
		this.#status.replaceChildren(h("span", {}, message), retry);
		if (this.isOpen && !this.#loading) this.#announce(message);
	}

	/** @param {string} text @returns {string} */
	#statusText(text) {
		const { one } = this.#words;
		const words = strings.picker;
		const count = this.#matches(text).length;
		if (!this.#catalogue) return words.connectFirst(this.#provider, one);
		if (this.#error) return explain(this.#error, this.#provider).what;
		if (this.#loading) return count > 0 ? words.searching : words.loading(one);
		if (count > 0) return words.count(count, one, this.#catalogue.complete);
		return text ? words.nothing(text, one) : words.empty(this.#provider, one);
	}

	#onScroll() {
		const { scrollTop, clientHeight, scrollHeight } = this.#options;
		if (this.isOpen && !this.#error && scrollTop + clientHeight > scrollHeight - 240) this.load(true);
	}

	/** @param {Element | null} node */
	#activate(node) {
		this.#active?.removeAttribute("data-active");
		this.#active = node;
		if (!node) {
			this.#input.removeAttribute("aria-activedescendant");
			return;
		}
		node.setAttribute("data-active", "");
		this.#input.setAttribute("aria-activedescendant", node.id);
		node.scrollIntoView({ block: "nearest" });
	}

	/** Handle a key; false if it is not for the list. @param {KeyboardEvent} event */
	onKey({ key, shiftKey }) {
		const step = STEPS[key];
		if (step && !this.isOpen) this.open();
		else if (step) this.#step(step);
		else if (!this.isOpen) return false;
		else if (key === "Escape") {
			this.#input.value = this.#picker.name ?? "";
			this.close();
		} else if (key === "Enter" && shiftKey) this.#togglePreview(this.#activeItem);
		else if (key === "Enter") this.#pick(this.#activeItem?.id ?? this.#input.value.trim());
		else return false;
		return true;
	}

	get #activeItem() { return this.#active && this.#items.get(this.#active); }

	/** @param {number} step */
	#step(step) {
		const nodes = [...this.#options.children];
		const from = this.#active ? nodes.indexOf(this.#active) + step : step > 0 ? 0 : nodes.length - 1;
		const to = Math.max(0, Math.min(nodes.length - 1, from));
		this.#reachedByKey = true;
		if (nodes[to]) this.#activate(nodes[to]);
		if (from >= nodes.length - 1 && !this.#error) this.load(true);
	}

	/** @param {MouseEvent} event */
	#onClick(event) {
		const target = /** @type {Element} */ (event.target);
		const node = target.closest("[role=option]");
		const item = node && this.#items.get(node);
		if (!item) return;
		if (target.closest(".play")) this.#togglePreview(item);
		else this.#pick(item.id);
	}

	/** @param {string} id */
	#pick(id) {
		this.#picker.choose(this.known?.name === id ? this.known.id : id);
		this.close();
		this.#input.select();
	}

	/** @param {CatalogueItem | null | undefined} item */
	#togglePreview(item) {
		if (item?.preview_audio_url) this.#preview.toggle(item);
	}
}
