// A picker's list: pictures, sound and search. (WAI-ARIA: editable combobox with a listbox. The keyboard's focus
// stays in the input; aria-activedescendant says which option is meant.)
import { Catalogue } from "./catalogue.js";
import { button, h, icon } from "../lib/dom.js";
import { buildOption, face, Preview } from "./options.js";
import { explain, strings } from "../lib/strings.js";
import { adopt, load } from "../lib/styles.js";

const ENOUGH = 8; // matches that a search is content with before it stops asking for further pages
const LONGEST_SEARCH = 40; // pages
const sheet = await load(new URL("picker.css", import.meta.url));

export class PickerList {
	#picker; #input; #words; #provider; #say; #preview;
	#catalogue = null;
	#failure = null;
	#loading = false;
	#active = null;
	#meant = false; // whether the active option was reached with the arrows
	#nodes = new Map(); // options by id

	constructor(picker) {
		const { root, provider, say } = picker.shared;
		this.#picker = picker;
		this.#input = picker.input;
		this.#words = picker.words;
		this.#provider = provider;
		this.#say = say;
		this.#preview = Preview.of(root, say);
		adopt(root, sheet);
		this.#build();
		this.forget();
	}

	#build() {
		const { kind } = this.#picker;
		this.face = h("span", { class: "face", hidden: true });
		this.listen = h("button", { type: "button", class: "tool", hidden: true, onclick: () => this.#hear(this.known) });
		this.options = h("ul", { id: `${kind}-list`, role: "listbox", "aria-label": this.#words.list,
			onclick: (event) => this.#click(event), onscroll: () => this.#scrolled() });
		this.typed = h("li", { role: "option", id: `${kind}-typed`, "aria-selected": "false" });
		this.status = h("div", { class: "popup-status" });
		const keys = kind === "voices" && h("span", { class: "popup-keys", "aria-hidden": "true" }, strings.picker.keys);
		this.popup = h("div", { class: "popup", hidden: true, onmousedown: (event) => event.preventDefault() },
			this.options, h("div", { class: "popup-foot" }, this.status, keys));
		this.#picker.combo.prepend(this.face);
		this.#picker.clear.before(this.listen);
		this.#picker.combo.append(this.popup);
	}

	get #sought() { return this.#picker.typed ?? ""; }
	get isOpen() { return !this.popup.hidden; }
	/** The chosen one, if the catalogue has it. */
	get known() { return this.#catalogue?.find(this.#picker.value) ?? null; }

	/** The only one of that name, or null. */
	named(name) {
		const found = this.#matches("").filter((item) => item.name.toLowerCase() === name.toLowerCase());
		return found.length === 1 ? found[0] : null;
	}

	/** Another key, another catalogue. */
	forget() {
		const { fetchPage } = this.#picker;
		this.#catalogue = fetchPage && new Catalogue(fetchPage);
		this.#nodes.clear();
		this.decorate();
	}

	/** Picture, sound and hint of what is chosen. */
	decorate() {
		const { kind, value, note } = this.#picker;
		const item = this.known;
		this.face.replaceChildren(...(item && kind === "avatars" ? [face(item)] : []));
		this.face.hidden = !this.face.hasChildNodes();
		this.listen.hidden = !item?.preview_audio_url;
		if (item) this.#preview.label(this.listen, item);
		const strange = value && !item && this.#catalogue?.started;
		note.textContent = strange ? strings.picker.unknown(this.#provider, this.#words.one) : "";
	}

	open() {
		if (this.isOpen) return;
		this.popup.hidden = false;
		this.#input.setAttribute("aria-expanded", "true");
		this.#render("");
		if (this.#catalogue && !this.#catalogue.started) this.load();
	}

	close() {
		if (!this.isOpen) return;
		this.popup.hidden = true;
		this.#input.setAttribute("aria-expanded", "false");
		this.#activate(null);
		this.#preview.stop();
		this.#picker.show();
	}

	stop() { this.#preview.stop(); }

	toggle() {
		if (this.isOpen) this.close();
		else this.open();
	}

	search() {
		this.open();
		this.#meant = false;
		this.#render(this.#sought);
		this.#activate(this.options.firstChild);
		this.options.scrollTop = 0;
		this.load();
	}

	/** Fetch until there is enough for what is sought; `another`: one page at least. */
	async load(another = false) {
		if (this.#loading || !this.#catalogue) return;
		const catalogue = this.#catalogue;
		this.#loading = true;
		this.#failure = null;
		try {
			for (let pages = 0; pages < LONGEST_SEARCH && !catalogue.complete; pages += 1) {
				if (!(another && pages === 0) && this.#matches(this.#sought).length >= ENOUGH) break;
				this.#tell(this.#sought);
				await catalogue.more();
				if (this.isOpen) this.#render(this.#sought);
				this.#picker.show();
				this.#picker.onchange(); // its name may be known now
			}
		} catch (error) {
			this.#failure = error;
		}
		this.#loading = false;
		this.#tell(this.#sought);
	}

	#matches(text) {
		const words = text.toLowerCase().split(/\s+/);
		return (this.#catalogue?.items ?? []).filter((item) => {
			const about = [item.name, item.id, item.gender, item.language].join(" ").toLowerCase();
			return words.every((word) => about.includes(word));
		});
	}

	#render(text) {
		const nodes = this.#matches(text).map((item) => this.#node(item));
		if (text && !this.#catalogue?.find(text)) {
			this.typed.item = { id: text };
			this.typed.replaceChildren(h("span", { class: "option-text" }, strings.picker.useId(text)));
			nodes.push(this.typed);
		}
		// Nodes that stay in place keep their picture and their place under the pointer.
		const kept = this.options.children;
		nodes.forEach((node, index) => {
			node.setAttribute("aria-selected", String(node.item.id === this.#picker.value));
			if (kept[index] !== node) this.options.insertBefore(node, kept[index] ?? null);
		});
		while (kept.length > nodes.length) this.options.lastChild.remove();
		if (this.#active && !this.#active.isConnected) this.#activate(null);
		// What is typed is first offered as an id; a match that comes later takes its place, unless it was meant.
		if (this.#active === this.typed && !this.#meant) this.#activate(null);
		if (!this.#active) this.#activate(text ? this.options.firstChild : this.options.querySelector("[aria-selected=true]"));
		this.#tell(text);
	}

	#node(item) {
		if (!this.#nodes.has(item.id)) {
			const node = buildOption(this.#picker.kind, item, this.#preview);
			node.id = `${this.#picker.kind}-option-${this.#nodes.size}`;
			this.#nodes.set(item.id, node);
		}
		return this.#nodes.get(item.id);
	}

	/** The line below the list: how many there are, or why there are none. */
	#tell(text) {
		const { one } = this.#words;
		const words = strings.picker;
		const count = this.#matches(text).length;
		let message = text ? words.nothing(text, one) : words.empty(this.#provider, one);
		if (count > 0) message = words.count(count, one, this.#catalogue.complete);
		if (!this.#catalogue) message = words.connectFirst(this.#provider, one);
		else if (this.#failure) message = explain(this.#failure, this.#provider).what;
		else if (this.#loading) message = count > 0 ? words.searching : words.loading(one);
		this.options.setAttribute("aria-busy", String(this.#loading));
		if (this.status.firstChild?.textContent === message) return;
		const retry = this.#failure && button(strings.retry, () => this.load(true), "link", { tabindex: "-1" });
		this.status.replaceChildren(h("span", {}, message), retry || "");
		if (this.isOpen && !this.#loading) this.#say(message);
	}

	#scrolled() {
		const { scrollTop, clientHeight, scrollHeight } = this.options;
		if (this.isOpen && !this.#failure && scrollTop + clientHeight > scrollHeight - 240) this.load(true);
	}

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

	/** Returns whether the key meant the list. */
	key({ key, shiftKey }) {
		const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[key];
		if (step && !this.isOpen) this.open();
		else if (step) this.#step(step);
		else if (!this.isOpen) return false;
		else if (key === "Escape") {
			this.#input.value = this.#picker.name ?? "";
			this.close();
		} else if (key === "Enter" && shiftKey) this.#hear(this.#active?.item);
		else if (key === "Enter") this.#pick(this.#active?.item ?? { id: this.#input.value.trim() });
		else return false;
		return true;
	}

	#step(step) {
		const nodes = [...this.options.children];
		const from = this.#active ? nodes.indexOf(this.#active) + step : step > 0 ? 0 : nodes.length - 1;
		const to = Math.max(0, Math.min(nodes.length - 1, from));
		this.#meant = true;
		if (nodes[to]) this.#activate(nodes[to]);
		if (from >= nodes.length - 1 && !this.#failure) this.load(true);
	}

	#click(event) {
		const node = event.target.closest("[role=option]");
		if (node && event.target.closest(".play")) this.#hear(node.item);
		else if (node) this.#pick(node.item);
	}

	#pick(item) {
		this.#picker.choose(this.known?.name === item.id ? this.known.id : item.id);
		this.close();
		this.#input.select();
	}

	#hear(item) {
		if (item?.preview_audio_url) this.#preview.toggle(item);
	}
}
