import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

export interface Call {
	method: string;
	url: string;
	headers: IncomingMessage["headers"];
	body: string;
	/** When it arrived, in milliseconds. */
	at: number;
	/** Aborted when the client has closed the connection. */
	closed: AbortSignal;
}

export type Answer = (response: ServerResponse, call: Call) => void | Promise<void>;

export interface Server {
	url: string;
	calls: Call[];
}

/** A real HTTP server. It gives one answer after the other, and the last one to all further requests. */
export async function serve(t: TestContext, ...answers: Answer[]): Promise<Server> {
	const calls: Call[] = [];
	const server = createServer(async (request, response) => {
		const at = performance.now();
		const closed = new AbortController();
		response.on("close", () => closed.abort());
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk);
		const call = {
			method: request.method ?? "",
			url: request.url ?? "",
			headers: request.headers,
			body: Buffer.concat(chunks).toString(),
			at,
			closed: closed.signal,
		};
		calls.push(call);
		const answer = answers[Math.min(calls.length, answers.length) - 1];
		await answer?.(response, call);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
	return (response) => {
		response.writeHead(status, { "Content-Type": "application/json", "X-Request-ID": "request-1", ...headers });
		response.end(JSON.stringify(body));
	};
}

export function problem(
	status: number,
	code: string,
	extra: object = {},
	headers: Record<string, string> = {},
): Answer {
	const body = { type: `/problems/#${code}`, title: code, status, detail: `${code}.`, instance: "/", code };
	return json({ ...body, ...extra }, status, headers);
}

export const noContent: Answer = (response) => {
	response.writeHead(204).end();
};

/** Close the connection without an answer. */
export const hangUp: Answer = (response) => {
	response.socket?.destroy();
};

/** Never answer. */
export const silence: Answer = () => {};

/** Send the chunks of an event stream; afterwards, end it, break it or leave it open. */
export function stream(chunks: (string | Uint8Array)[], end: "end" | "break" | "open" = "end"): Answer {
	return async (response) => {
		response.writeHead(200, { "Content-Type": "text/event-stream" });
		response.flushHeaders();
		for (const chunk of chunks) {
			response.write(chunk);
			await pause(1); // a chunk of its own
		}
		if (end === "end") response.end();
		if (end === "break") response.socket?.destroy();
	};
}
