// @ts-check
// What went wrong, as the page handles it.

/** @typedef {{ field?: string, message?: string, detail?: string }} FieldError */
/**
 * `requestId`: the reference for support. `retryAfter`: the seconds after which to try again, or 0.
 * @typedef {{ code: string, status: number, detail: string, errors: FieldError[], requestId: string, retryAfter: number }} Failure
 */

/** A request that failed. `code` is the service's, or `offline`, `unreachable`, `unexpected_response`. */
export class ApiError extends Error {
	/**
	 * @param {string} code
	 * @param {{ status?: number, detail?: string, errors?: FieldError[] }} [problem] `status` 0: there was no response
	 * @param {Headers} [headers]
	 */
	constructor(code, { status = 0, detail = "", errors = [] } = {}, headers = new Headers()) {
		super(detail || code);
		this.code = code;
		this.status = status;
		this.detail = detail;
		this.errors = errors;
		this.requestId = headers.get("X-Request-ID") ?? "";
		this.retryAfter = secondsUntil(headers.get("Retry-After"));
	}
}

/** `Retry-After` in seconds: it is a number of them or a date. @param {string | null} value @param {number} [now] */
export function secondsUntil(value, now = Date.now()) {
	if (!value) return 0;
	const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
	return seconds > 0 ? Math.min(Math.ceil(seconds), 3600) : 0;
}

/** Problems that trying again does not solve. */
const LASTING = new Set(["no_business", "access_ended", "avatar_not_configured", "content_not_found", "api_key_rejected",
	"content_not_writable", "generation_in_progress", "generation_not_live", "integration_not_active", "script_missing",
	"integration_not_configured", "integration_not_found", "webhook_not_configured", "cors_forbidden"]);

/** Read a caught value as a failure. @param {unknown} error @returns {Failure} */
export function toFailure(error) {
	const { code, status, detail, errors, requestId, retryAfter } = /** @type {Partial<Failure>} */ (error ?? {});
	return { code: String(code ?? ""), status: status ?? 0, detail: detail ?? "", errors: errors ?? [],
		requestId: requestId ?? "", retryAfter: retryAfter ?? 0 };
}

/** Whether the same request may succeed later. @param {unknown} error */
export function mayRetry(error) {
	return !LASTING.has(toFailure(error).code);
}
