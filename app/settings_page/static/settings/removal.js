// @ts-check
// Asks before an integration is removed.
import { confirm } from "../lib/confirm.js";
import { toFailure } from "../lib/failure.js";
import { removal } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { Provider } from "../lib/types.js" */

/** @param {Context} context @param {Provider} provider @param {() => void} onremoved */
export async function confirmRemoval(context, provider, onremoved) {
	const { text, api } = context;
	const words = text.section("removal", removal);
	const p = { p: provider.title };
	const removed = await confirm(context, {
		title: text.fill(words.title, p),
		text: text.fill(words.text, p),
		yes: words.confirm,
		no: words.keep,
		doing: words.removing,
		provider: provider.title,
		act: () => api.remove(provider.name).catch((error) => {
			if (toFailure(error).code !== "integration_not_found") throw error; // already removed
		}),
	});
	if (removed) onremoved();
}
