"use client";

import { type FormEvent, useState, useTransition } from "react";
import { removeHeygenApiKey, updateHeygenSettings } from "@/app/actions/settings";

interface Business {
	id: string;
	heygen_avatar_id: string | null;
	heygen_voice_id: string | null;
	heygen_secret_id: string | null;
}

/** The original's form: it calls the actions as it always has. */
export function HeygenSettingsForm({ business }: { business: Business }) {
	const [message, setMessage] = useState("");
	const [isPending, startTransition] = useTransition();
	const isKeySet = business.heygen_secret_id !== null;

	function save(event: FormEvent<HTMLFormElement>) {
		event.preventDefault();
		const form = event.currentTarget;
		const text = (name: string) => String(new FormData(form).get(name) ?? "");
		startTransition(async () => {
			const result = await updateHeygenSettings(business.id, {
				heygen_api_key: text("heygen_api_key"),
				heygen_avatar_id: text("heygen_avatar_id"),
				heygen_voice_id: text("heygen_voice_id"),
			});
			setMessage(result.error ?? "Settings saved.");
		});
	}

	function remove() {
		startTransition(async () => {
			const result = await removeHeygenApiKey(business.id);
			setMessage(result.error ?? "API key removed.");
		});
	}

	return (
		<form onSubmit={save} key={business.heygen_secret_id}>
			<label>
				API key
				<input
					name="heygen_api_key"
					type="password"
					autoComplete="off"
					placeholder={isKeySet ? "A key is stored. Enter another one to replace it." : ""}
				/>
			</label>
			<label>
				Avatar ID
				<input name="heygen_avatar_id" defaultValue={business.heygen_avatar_id ?? ""} />
			</label>
			<label>
				Voice ID
				<input name="heygen_voice_id" defaultValue={business.heygen_voice_id ?? ""} />
			</label>
			<button type="submit" className="primary" disabled={isPending}>
				Save
			</button>{" "}
			{isKeySet && (
				<button type="button" onClick={remove} disabled={isPending}>
					Remove API key
				</button>
			)}
			<p role="status">{message}</p>
		</form>
	);
}
