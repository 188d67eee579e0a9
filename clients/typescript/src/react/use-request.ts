"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { AiAvatarError } from "../errors.ts";

export interface RequestState<Data> {
	/** Undefined until it has been loaded. */
	data: Data | undefined;
	error: AiAvatarError | null;
	isLoading: boolean;
}

export interface RequestHandle<Data> extends RequestState<Data> {
	/** Load again. What is shown stays until then. */
	refresh: () => void;
	/** Replace the data, as after a change. */
	setData: (data: Data) => void;
}

const INITIAL = { data: undefined, error: null, isLoading: true };

/**
 * Load data for a source and a query, again when one of them changes or `refresh` is called; stop when the component
 * goes. `load` may call `update` several times. Nothing is requested on a server.
 */
export function useRequest<Data>(
	source: object,
	query: unknown,
	load: (signal: AbortSignal, update: (data: Data) => void) => Promise<void>,
): RequestHandle<Data> {
	const queryKey = JSON.stringify(query);
	const [known, setKnown] = useState<RequestState<Data> & { source: object; queryKey: string }>({
		...INITIAL,
		source,
		queryKey,
	});
	const [round, setRound] = useState(0);
	const latestLoad = useRef(load);

	useEffect(() => {
		latestLoad.current = load;
	});

	// biome-ignore lint/correctness/useExhaustiveDependencies: `round` loads again
	useEffect(() => {
		const controller = new AbortController();
		const { signal } = controller;
		latestLoad
			.current(signal, (data) => {
				if (!signal.aborted) setKnown({ data, error: null, isLoading: false, source, queryKey });
			})
			.catch((error: unknown) => {
				if (signal.aborted) return;
				const failed = { error: asError(error), isLoading: false };
				setKnown((last) => ({
					...(last.source === source && last.queryKey === queryKey ? last : { ...INITIAL, source, queryKey }),
					...failed,
				}));
			});
		return () => controller.abort();
	}, [source, queryKey, round]);

	const refresh = useCallback(() => setRound((last) => last + 1), []);
	const setData = useCallback(
		(data: Data) =>
			setKnown((last) =>
				// The change belongs to this source and query: another one may have been loaded meanwhile.
				last.source === source && last.queryKey === queryKey ? { ...last, data, error: null, isLoading: false } : last,
			),
		[source, queryKey],
	);
	// One user's or business's data is never shown for another.
	const { data, error, isLoading } = known.source === source && known.queryKey === queryKey ? known : INITIAL;
	return { data, error, isLoading, refresh, setData };
}

function asError(error: unknown): AiAvatarError {
	if (error instanceof AiAvatarError) return error;
	const message = error instanceof Error ? error.message : String(error);
	return new AiAvatarError("unexpected_response", message, { cause: error });
}
