// @ts-check
// The avatars or voices in a dialog: it is in the top layer, so no host's `overflow` cuts it off.
import { button, h, icon } from "../lib/dom.js";
import { common } from "../lib/strings.js";
import { Chooser } from "./chooser.js";
import { Preview } from "./preview.js";
import { chooser as chooserWords } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ChooserOptions } from "./chooser.js" */

/** Open the dialog; it closes with the choice. @param {Context} context @param {ChooserOptions} options */
export function openChooser(context, options) {
	const { text, root, signal } = context;
	const { title } = text.section("chooser", chooserWords)[options.kind];
	const dialog = h("dialog", { class: "chooser-dialog", part: "dialog", "aria-labelledby": "chooser-title",
		onclose: () => {
			Preview.of(context).stop();
			dialog.remove();
		},
		onclick: (event) => { if (event.target === dialog) dialog.close(); } });
	const chooser = new Chooser(context, {
		...options,
		canClear: options.kind === "voices",
		onchoose: (id, control) => {
			dialog.close();
			if (id !== options.chosen) options.onchoose(id, control);
		},
	});
	const close = button("", () => dialog.close(), "icon-only", { "aria-label": text.section("common", common).close });
	close.append(icon("close"));
	dialog.append(h("div", { class: "dialog-head" }, h("h2", { id: "chooser-title" }, title), close), chooser.element);
	root.append(dialog);
	signal.addEventListener("abort", () => dialog.close(), { once: true });
	dialog.showModal();
	chooser.focus();
	chooser.load();
}
