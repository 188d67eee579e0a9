"use client";

import { useGeneration } from "ai-avatar-client/react";
import { useState, useTransition } from "react";
import { generateHeygenVideo } from "@/app/actions/settings";

interface Props {
	businessId: string;
	contentId: string;
	script: string;
}

/** Starts the video with the original's server action, and follows it live from the browser. */
export function Video({ businessId, contentId, script }: Props) {
	const { generation, isLoading, isLive, error, refresh } = useGeneration(contentId);
	const [refusal, setRefusal] = useState("");
	const [isPending, startTransition] = useTransition();

	function generate() {
		startTransition(async () => {
			const result = await generateHeygenVideo(businessId, contentId, script);
			setRefusal(result.error ?? "");
			refresh();
		});
	}

	return (
		<div className="card">
			<button type="button" className="primary" onClick={generate} disabled={isPending || isLoading || isLive}>
				Generate video
			</button>
			<p role="status">{generation ? `Video: ${generation.status}` : "No video yet."}</p>
			{(refusal || error || generation?.error) && <p role="alert">{refusal || error?.message || generation?.error}</p>}
			{generation?.video_url && (
				// biome-ignore lint/a11y/useMediaCaption: HeyGen makes captions only if asked to
				<video src={generation.video_url} poster={generation.thumbnail_url ?? undefined} controls />
			)}
		</div>
	);
}
