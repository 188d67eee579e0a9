import { AiAvatarError, retryAfterSeconds } from "./errors.ts";
import { backoff, wait } from "./wait.ts";

/** Why a token is requested: for a call, or because the service has refused the last one. */
export type TokenReason = "initial" | "expired";

/** Null and undefined: no user is signed in. */
export type Token = string | null | undefined;

/**
 * Returns the signed-in user's access token, if there is one. Called for every request, so that a change of user is seen at once.
 * The settings element takes the same callback.
 */
export type GetAccessToken = (request: { reason: TokenReason }) => Token | Promise<Token>;

export interface TransportOptions {
	/** For calls as a user. */
	getAccessToken?: GetAccessToken;
	/** For calls as a back end: SERVICE_API_KEY. Never in a browser. Ignored beside `getAccessToken`. */
	apiKey?: string;
	/** A `fetch` to use instead of the global one. */
	fetch?: (request: Request) => Promise<Response>;
	/** How often a call is repeated, at most: 2. 0 never repeats. */
	retries?: number;
	/** The longest `Retry-After` that a call waits for, in seconds: 30. With a longer one, the call fails at once. */
	maxRetryAfter?: number;
	/** How long one attempt may take, in milliseconds: 60,000. */
	timeout?: number;
}

interface SendOptions {
	/** Return when the headers are there; the body has no time limit. */
	stream?: boolean;
	/** A token that has expired: request another one first. */
	refused?: string | null;
	/** Called with each token that is sent. */
	onToken?: (token: string | null) => void;
}

/** Sends requests with credentials. Renews a refused token once, and repeats what is safe to repeat. */
export class Transport {
	readonly #options: TransportOptions;
	readonly #fetch: (request: Request) => Promise<Response>;
	#renewal: Promise<Token> | null = null;

	constructor(options: TransportOptions) {
		this.#options = options;
		this.#fetch = options.fetch ?? ((request) => globalThis.fetch(request));
	}

	/** Return the response, whatever its status. Throws an AiAvatarError without one, or the signal's reason. */
	async send(request: Request, { stream = false, refused = null, onToken }: SendOptions = {}): Promise<Response> {
		const { getAccessToken, retries = 2 } = this.#options;
		let token = refused === null ? await this.#token() : await this.#renew(refused);
		let mayRenew = getAccessToken !== undefined;
		for (let failures = 0; ; failures += 1) {
			onToken?.(token);
			let result = await this.#attempt(request, token, stream);
			if (result instanceof Response && result.status === 401 && token !== null && mayRenew) {
				mayRenew = false;
				token = await this.#renew(token);
				onToken?.(token);
				result = await this.#attempt(request, token, stream);
			}
			const delay = failures < retries ? this.#delay(request, result, failures) : null;
			if (delay !== null) await wait(delay, request.signal);
			else if (result instanceof Response) return result;
			else throw result;
		}
	}

	async #token(): Promise<string | null> {
		const { getAccessToken } = this.#options;
		return getAccessToken ? requireToken(await getAccessToken({ reason: "initial" })) : null;
	}

	/** Return another token than the refused one. Simultaneous callers share one request. */
	async #renew(refused: string): Promise<string> {
		const { getAccessToken } = this.#options;
		this.#renewal ??= Promise.resolve(getAccessToken?.({ reason: "expired" })).finally(() => {
			this.#renewal = null;
		});
		const token = await this.#renewal;
		return requireToken(token === refused ? null : token);
	}

	/** Send once. Return the response, or the reason why there is none. */
	async #attempt(original: Request, token: string | null, stream: boolean): Promise<Response | AiAvatarError> {
		original.signal.throwIfAborted();
		// Not AbortSignal.any and AbortSignal.timeout: edge runtimes lack them.
		const controller = new AbortController();
		const abort = () => controller.abort(original.signal.reason);
		original.signal.addEventListener("abort", abort);
		let isOver = false;
		const timer = setTimeout(() => {
			isOver = true;
			controller.abort();
		}, this.#options.timeout ?? 60_000);
		try {
			const response = await this.#fetch(this.#authorize(original, token, controller.signal));
			if (stream && response.ok) return response; // the signal goes on to end it
			const result = await buffered(response);
			original.signal.removeEventListener("abort", abort);
			return result;
		} catch (cause) {
			original.signal.throwIfAborted();
			if (isOver) return new AiAvatarError("timeout", "The service did not answer in time.", { cause });
			return new AiAvatarError("network_error", "The service cannot be reached.", { cause });
		} finally {
			clearTimeout(timer);
		}
	}

	#authorize(original: Request, token: string | null, signal: AbortSignal): Request {
		const request = new Request(original.clone(), { signal });
		if (token) request.headers.set("Authorization", `Bearer ${token}`);
		else if (this.#options.apiKey) request.headers.set("X-API-Key", this.#options.apiKey);
		return request;
	}

	/** Return the pause before a repetition, in milliseconds, or null if the call must not be repeated. */
	#delay(request: Request, result: Response | AiAvatarError, failures: number): number | null {
		if (!(result instanceof Response)) return isRepeatable(request) ? backoff(failures) : null;
		// 429: refused before anything was done. 503: it may be unknown what was done.
		if (result.status !== 429 && !(result.status === 503 && isRepeatable(request))) return null;
		const seconds = retryAfterSeconds(result);
		if (seconds === null || seconds > (this.#options.maxRetryAfter ?? 30)) return null;
		return seconds * 1000;
	}
}

/** Whether a second execution does no harm, if the first one was processed. */
function isRepeatable(request: Request): boolean {
	return request.method === "GET" || request.headers.has("Idempotency-Key");
}

function requireToken(token: Token): string {
	if (!token) throw new AiAvatarError("not_signed_in", "You are not signed in, or the session has expired.");
	return token;
}

/** Read the body within the attempt, so that a connection that breaks in it counts as a failed attempt. */
async function buffered(response: Response): Promise<Response> {
	const body = await response.arrayBuffer();
	const { status, statusText, headers } = response;
	return new Response(body.byteLength > 0 ? body : null, { status, statusText, headers });
}
