import type { FieldError, Problem, ProblemCode } from "./types.ts";

/** What can go wrong without a problem from the service. */
export type ClientErrorCode =
	/** No response: the network or the service is down. The request may have been processed. */
	| "network_error"
	/** No response in time. The request may have been processed. */
	| "timeout"
	/** A response that is not the service's, such as a proxy's error page. */
	| "unexpected_response"
	/** `getAccessToken` returned no token. */
	| "not_signed_in"
	/** The user lost access to the business while following a video. */
	| "access_ended";

export type ErrorCode = ProblemCode | ClientErrorCode;

interface Details {
	status?: number;
	problem?: Problem | null;
	requestId?: string | null;
	retryAfter?: number | null;
	cause?: unknown;
}

/**
 * Every failure of a call, except an abort. Compare `code`; show `message`, which is fit for users.
 * An aborted call rejects with the signal's reason instead.
 */
export class AiAvatarError extends Error {
	override readonly name: string = "AiAvatarError";
	/** The problem's `code`, or one of the client's own. */
	readonly code: ErrorCode;
	/** The HTTP status; 0 without a response. */
	readonly status: number;
	/** The problem detail (RFC 9457) of the response; null if there is none. */
	readonly problem: Problem | null;
	/** `X-Request-ID` of the response, for support. */
	readonly requestId: string | null;
	/** Seconds to wait before another attempt, if the service said so. */
	readonly retryAfter: number | null;

	constructor(code: ErrorCode, message: string, details: Details = {}) {
		super(message, "cause" in details ? { cause: details.cause } : undefined);
		this.code = code;
		this.status = details.status ?? 0;
		this.problem = details.problem ?? null;
		this.requestId = details.requestId ?? null;
		this.retryAfter = details.retryAfter ?? null;
	}

	/** The invalid fields of an `invalid_request`. */
	get fieldErrors(): FieldError[] {
		return this.problem?.code === "invalid_request" ? this.problem.errors : [];
	}

	/** The live generation of a `generation_in_progress`. */
	get generationId(): string | null {
		return this.problem?.code === "generation_in_progress" ? this.problem.generation_id : null;
	}
}

/** Return the error of a response; `body`: its parsed body, or its text. */
export function toError(response: Response, body: unknown): AiAvatarError {
	const problem = isProblem(body) ? body : null;
	return new AiAvatarError(
		problem?.code ?? "unexpected_response",
		messageOf(problem) ?? `The service answered ${response.status} ${response.statusText}`.trim(),
		{
			status: response.status,
			problem,
			requestId: response.headers.get("X-Request-ID"),
			retryAfter: retryAfterSeconds(response),
		},
	);
}

/** Return the first invalid field's message, which says more than the detail of an `invalid_request`, or the detail. */
function messageOf(problem: Problem | null): string | undefined {
	const [first] = problem?.code === "invalid_request" ? problem.errors : [];
	return first?.message ?? problem?.detail;
}

/** Return the error of a response whose body has not been read. */
export async function readError(response: Response): Promise<AiAvatarError> {
	const text = await response.text().catch(() => "");
	return toError(response, parseJson(text));
}

/** Return the seconds that a response's `Retry-After` asks for, which may be a number or a date. */
export function retryAfterSeconds(response: Response): number | null {
	const value = response.headers.get("Retry-After")?.trim();
	if (!value) return null;
	if (/^\d+$/.test(value)) return Number(value);
	const date = Date.parse(value);
	return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

function isProblem(body: unknown): body is Problem {
	return typeof body === "object" && body !== null && "code" in body && "detail" in body;
}
