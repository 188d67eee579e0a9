// @ts-check
// From what went wrong to a message for people: the service's problem codes, and failures without a response.
import { strings } from "./strings.js";

/** @import { Message } from "./types.js" */

/** @typedef {{ field?: string, message?: string, detail?: string }} FieldError */
/** @typedef {{ code: string, status: number, detail: string, errors: FieldError[] }} Failure */

/** Problem codes that share one text. @type {Record<string, keyof typeof strings.problems>} */
const SHARED = {
	overloaded: "busy",
	database_unavailable: "busy",
	rate_limited: "busy",
	provider_unavailable: "no_usable_response",
	provider_unexpected_answer: "no_usable_response",
};

/** Read a caught value as a failure. @param {unknown} error @returns {Failure} */
export function toFailure(error) {
	const { code, status, detail, errors } = /** @type {Partial<Failure>} */ (error ?? {});
	return { code: String(code ?? ""), status: status ?? 0, detail: detail ?? "", errors: errors ?? [] };
}

/** Explain an error: what happened and what to do. @param {unknown} error @param {string} provider @returns {Message} */
export function explain(error, provider) {
	const { code, detail } = toFailure(error);
	const name = Object.hasOwn(SHARED, code) ? SHARED[code] : code;
	const texts = /** @type {Record<string, Message | ((provider: string, detail: string) => Message)>} */ (strings.problems);
	const text = Object.hasOwn(texts, name) ? texts[name] : texts.unknown;
	return typeof text === "function" ? text(provider, detail) : text;
}

/** Whether the banner above the cards already reports this error. @param {unknown} error */
export function isReportedByBanner(error) {
	return ["session_expired", "offline"].includes(toFailure(error).code);
}
