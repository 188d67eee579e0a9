// @ts-check
// From what went wrong to a message for people: the service's problem codes, and failures without a response.
import { toFailure } from "./failure.js";
import { problems } from "./strings.js";

/** @import { Text } from "./text.js" */
/** @import { Message } from "./types.js" */

/** Problem codes that share one text. @type {Record<string, keyof typeof problems>} */
const SHARED = {
	overloaded: "busy",
	database_unavailable: "busy",
	rate_limited: "busy",
	provider_unavailable: "no_usable_response",
	provider_unexpected_answer: "no_usable_response",
};

/** Explain an error: what happened and what to do. @param {unknown} error @param {Text} text @param {string} provider its title @returns {Message} */
export function explain(error, text, provider) {
	const { code, detail } = toFailure(error);
	const name = Object.hasOwn(SHARED, code) ? SHARED[code] : code;
	const words = /** @type {Record<string, Message>} */ (text.section("problems", problems));
	return text.message(Object.hasOwn(words, name) ? words[name] : words.unknown, { p: provider, detail });
}
